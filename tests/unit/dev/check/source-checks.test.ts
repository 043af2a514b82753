import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { findListProblems } from '../../../../dev/check/document-lists.ts'
import { readFences } from '../../../../dev/check/fences.ts'
import { findSizeProblems } from '../../../../dev/check/file-sizes.ts'
import { sharedLayers } from '../../../../dev/check/layers.ts'
import { findForwardReferences, findLongLines } from '../../../../dev/check/sql-files.ts'
import { findTestTreeProblems } from '../../../../dev/check/test-tree.ts'

const roots: string[] = []

afterEach(async () => {
  await Promise.all(roots.splice(0).map((root) => rm(root, { recursive: true })))
})

async function makeTree(files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(path.join(tmpdir(), 'sources-'))
  roots.push(root)
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true })
    await writeFile(path.join(root, name), text)
  }
  return root
}

describe('lines of SQL', () => {
  const file = {
    name: 'supabase/migrations/1_a.sql',
    text: `${'é'.repeat(110)}\n${'x'.repeat(111)}`,
  }

  it('have at most 110 columns', () => {
    expect(findLongLines([file])).toEqual(['supabase/migrations/1_a.sql:2 has 111 columns'])
  })
})

describe('references in SQL', () => {
  const later = {
    name: '2.sql',
    text: `create table public.chats (id bigint);
      create or replace function private.sees(x text) returns text language sql as $$ select x $$;`,
  }

  it.each([
    ['the body of a function', 'create function private.f() as $$ begin\n perform private.sees(1)'],
    ['a policy', 'create policy p on public.people\n using (private.sees(1))'],
    [
      'a trigger',
      'create trigger t after insert on public.people\n execute function private.sees()',
    ],
  ])('in %s do not run forward', (_where, text) => {
    expect(findForwardReferences([{ name: '1.sql', text }, later], {})).toEqual([
      '1.sql:2 names private.sees, which 2.sql makes later',
    ])
  })

  it('may run backward, and comments and quoted text may name anything', () => {
    const text = `-- as private.sees() does, isn't it
      comment on table public.people is 'see public.chats'; /* public.chats */`
    const back = { name: '3.sql', text: 'select private.sees(id) from public.chats' }
    expect(findForwardReferences([{ name: '1.sql', text }, later, back], {})).toEqual([])
  })

  it('may run forward by exception, as long as they do', () => {
    const exceptions = { '1.sql': ['public.chats', 'private.sees'] }
    const files = [{ name: '1.sql', text: 'select public.chats' }, later]
    expect(findForwardReferences(files, exceptions)).toEqual([
      '1.sql no longer runs forward to private.sees: take it off the list',
    ])
  })
})

describe('files of code', () => {
  const lines = (count: number): string => 'x\n'.repeat(count)

  it('have at most 300 lines', async () => {
    const tree = { 'a.ts': lines(300), 'b.ts': lines(301), 'e.md': lines(999) }
    const root = await makeTree(tree)
    expect(await findSizeProblems(root, Object.keys(tree))).toEqual([
      'b.ts has 301 lines, 300 at most: split it',
    ])
  })
})

describe('lists in documents', () => {
  const table = (heading: string, cells: readonly string[]): string =>
    [`| ${heading} | Is |`, '| -- | -- |', ...cells.map((cell) => `| ${cell} | … |`), ''].join('\n')
  const layers = sharedLayers.map((names) => names.map((name) => `\`${name}\``).join(' '))
  const trees = {
    'package.json': '{"scripts":{"test":"","bench":""}}',
    'supabase/functions/agents/index.ts': '',
    'supabase/functions/_shared/env.ts': '',
    'tests/shared/a.test.ts': '',
    'tests/support/b.ts': '',
    'README.md':
      '| Path | Is |\n| -- | -- |\n| `supabase/functions/` | `agents` |\n| `tests/` | `shared` |\n',
    'CONTRIBUTING.md': `${table('Command', ['`npm test`', '`npm run bench`'])}\n${table('Step', ['`lint`'])}`,
    'docs/architecture.md': table('Layer', layers),
  }

  it('say what the code says', async () => {
    const root = await makeTree({ ...trees, 'README.md': `${trees['README.md']}| \`docs/\` | |\n` })
    expect(await findListProblems(root, ['lint'])).toEqual([])
  })

  it('have the layers in the order of the code', async () => {
    const architecture = table('Layer', layers.toReversed())
    const root = await makeTree({ ...trees, 'docs/architecture.md': architecture })
    expect(await findListProblems(root, ['lint'])).toContain(
      'docs/architecture.md, layers: in another order',
    )
  })

  it('are told what they lack, and what is not there', async () => {
    const root = await makeTree({
      ...trees,
      'README.md': trees['README.md'].replace('agents', 'agent').replace('shared', 'unit'),
      'CONTRIBUTING.md': `${table('Command', ['`npm test`', '`npm run gone`'])}\n${table('Step', ['`lint`', '`types`'])}`,
      'docs/architecture.md': table('Layer', layers.slice(1)),
    })
    expect(await findListProblems(root, ['lint', 'deno'])).toEqual([
      'CONTRIBUTING.md, commands: bench is missing',
      'CONTRIBUTING.md, commands: no gone exists',
      'CONTRIBUTING.md, steps: deno is missing',
      'CONTRIBUTING.md, steps: no types exists',
      `docs/architecture.md, layers: ${sharedLayers[0]?.join(' ')} is missing`,
      'README.md, folders: docs is missing',
      'README.md, functions: agents is missing',
      'README.md, functions: no agent exists',
      'README.md, tests: shared is missing',
      'README.md, tests: no unit exists',
    ])
  })
})

describe('TypeScript in documents', () => {
  it('is found with the line where it begins, and no other language', () => {
    const text = '# A\n\n```ts\nconst a = 1\n```\n\n```sh\nls\n```\n\n  ```ts\n  b()\n  ```\n'
    expect(readFences(text)).toEqual([
      { line: 4, code: 'const a = 1\n' },
      { line: 12, code: '  b()\n' },
    ])
  })
})

describe('tests of units', () => {
  const code = [
    'supabase/functions/_shared/env.ts',
    'supabase/functions/_shared/models/sse.ts',
    'supabase/functions/oauth/app.ts',
    'dev/process/free-port.ts',
    'eslint.config.js',
  ]
  const problemsOf = (...tests: string[]) => findTestTreeProblems([...code, ...tests])

  it.each([
    'env',
    'models/sse',
    'models/any-subject',
    'oauth/app',
    'dev/process/free-port',
    'dev/process/other',
  ])('may stand where the code has a folder: %s', (name) =>
    expect(problemsOf(`tests/unit/${name}.test.ts`)).toEqual([]),
  )

  it('stand nowhere else, and with the name of a file where that file stands', () => {
    expect(problemsOf('tests/unit/gone/any.test.ts', 'tests/unit/models/env.test.ts')).toEqual([
      'tests/unit/gone/any.test.ts: the code has no folder gone',
      'tests/unit/models/env.test.ts tests ./env.ts, so it stands in tests/unit/.',
    ])
  })
})
