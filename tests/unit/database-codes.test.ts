import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../../dev/check/command.ts'
import { databaseError } from '../../supabase/functions/_shared/database.ts'
import { errorCodes, isErrorCode } from '../../supabase/functions/_shared/errors.ts'

const migrations = path.join(root, 'supabase/migrations')
const sql = readdirSync(migrations)
  .filter((name) => name.endsWith('.sql'))
  .map((name) => readFileSync(path.join(migrations, name), 'utf8'))
  .join('\n')

/** Of an error that sets a header: PostgREST reads the SQLSTATE from its message. */
const withHeader = [...sql.matchAll(/'code', '(\w{5})', 'message', '([a-z_]+)'/g)].map(
  ([, sqlstate = '', code = '']) => ({ sqlstate, code }),
)

/** Every pair of SQLSTATE and stable code that a `raise` of the migrations can carry. */
const raised = [...sql.matchAll(/raise exception using\s+(.*?);/gs)].flatMap(([, options = '']) => {
  const sqlstate = /errcode = '(\w{5})'/.exec(options)?.[1] ?? ''
  const message = /message = (.*?)(?:,\s*(?:detail|hint)\b|$)/s.exec(options)?.[1] ?? ''
  return [...message.matchAll(/'([a-z_]+)'/g)].map(([, code = '']) => ({ sqlstate, code }))
})
raised.push(...withHeader)
const documented = new Map(
  [
    ...readFileSync(path.join(root, 'docs/error-codes.md'), 'utf8').matchAll(
      /^\| *`(\w+)` *\| *(\w{5}) *\|/gm,
    ),
  ].map(([, code = '', sqlstate = '']) => [code, sqlstate]),
)

// Raised while migrations run, before there is a client to tell.
const isUnseen = (code: string) => code.startsWith('migrations_need_')
// Of triggers on tables and of decrypt_token(), neither of which the functions call.
const direct = new Set(['23503', '22004'])
// Of triggers on storage.objects: Storage answers a refusal of SQLSTATE 42501 with its message.
const storage = new Set([
  'file_name_not_allowed',
  'file_type_not_allowed',
  'file_not_replaceable',
  'quota_exceeded',
])
const isStorages = (code: string, sqlstate: string) => sqlstate === '42501' && storage.has(code)

describe('the codes that the database raises', () => {
  it('are found in the migrations at all', () => {
    expect(raised.length).toBeGreaterThan(20)
    expect(raised.every(({ sqlstate, code }) => sqlstate !== '' && code !== '')).toBe(true)
  })

  it('are documented, with their SQLSTATE, unless the functions answer them', () => {
    const others = raised.filter(({ code }) => !isErrorCode(code) && !isUnseen(code))
    for (const { code, sqlstate } of others)
      expect([code, documented.get(code)]).toEqual([code, sqlstate])
    const codes = new Set(others.map(({ code }) => code))
    expect([...documented.keys()].filter((code) => !codes.has(code))).toEqual([])
  })

  it('are answered by the functions as they are', () => {
    const known = raised.filter(
      ({ code, sqlstate }) =>
        isErrorCode(code) && !direct.has(sqlstate) && !isStorages(code, sqlstate),
    )
    expect(known.length).toBeGreaterThan(10)
    for (const { code, sqlstate } of known) {
      const error = databaseError({ code: sqlstate, message: code, details: null }, 400)
      expect([sqlstate, error.code]).toEqual([sqlstate, code])
      expect(error.status).toBe(errorCodes[error.code].status)
    }
  })
})
