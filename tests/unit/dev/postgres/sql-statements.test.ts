import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { afterComments, lineAt, splitStatements } from '../../../../dev/postgres/sql-statements.ts'

const texts = (script: string) => splitStatements(script).map(({ text }) => text)

describe('splitting an SQL script', () => {
  test.each([
    ['two statements', 'select 1; select 2', ['select 1', 'select 2']],
    ['a closing semicolon adds nothing', 'select 1;\n;\n', ['select 1']],
    ['text', `select 'a;b', 'it''s;'; select 2`, [`select 'a;b', 'it''s;'`, 'select 2']],
    ['escape text', `select e'\\';'; select 2`, [`select e'\\';'`, 'select 2']],
    ['a backslash in plain text', `select '\\'; select 2`, [`select '\\'`, 'select 2']],
    ['a quoted name', 'select "a;""b"; select 2', ['select "a;""b"', 'select 2']],
    ['a line comment', 'select 1 -- a; b\n; select 2', ['select 1 -- a; b', 'select 2']],
    [
      'nested comments',
      '/* ; /* ; */ ; */ select 1; select 2',
      ['/* ; /* ; */ ; */ select 1', 'select 2'],
    ],
    ['dollar quotes', 'do $$ begin; end $$; select 2', ['do $$ begin; end $$', 'select 2']],
    [
      'tagged dollar quotes',
      'do $a$ $$;$$ $b$;$a$; select 2',
      ['do $a$ $$;$$ $b$;$a$', 'select 2'],
    ],
    ['a parameter is no dollar quote', 'select $1; select $2', ['select $1', 'select $2']],
    [
      'a name with a dollar is no dollar quote',
      'select a$b$; select 2',
      ['select a$b$', 'select 2'],
    ],
    [
      'rules',
      'create rule r as on insert to t do (a; b); select 2',
      ['create rule r as on insert to t do (a; b)', 'select 2'],
    ],
    [
      'atomic bodies',
      `create function f() begin atomic select case when a then 1 end; b; end; c`,
      [`create function f() begin atomic select case when a then 1 end; b; end`, 'c'],
    ],
    ['only comments', '-- nothing\n/* at all */', []],
  ])('keeps whole: %s', (_, script, expected) => {
    expect(texts(script)).toEqual(expected)
  })

  test('every statement says where it begins', () => {
    const script = 'select 1;\n\n-- why\nselect 2;'
    const [, second] = splitStatements(script)
    const at = (second?.offset ?? 0) + afterComments(second?.text ?? '')
    expect(script.slice(second?.offset)).toMatch(/^-- why/)
    expect(lineAt(script, at)).toBe(4)
  })

  test('loses nothing of the migrations but white space and semicolons', () => {
    const folder = new URL('../../../../supabase/migrations/', import.meta.url)
    const plain = (text: string) => text.replace(/[\s;]+/g, '')
    const files = readdirSync(folder).filter((file) => file.endsWith('.sql'))
    expect(files.length).toBeGreaterThan(0)
    for (const file of files) {
      const script = readFileSync(new URL(file, folder), 'utf8')
      expect(plain(texts(script).join(''))).toBe(plain(script))
    }
  })
})
