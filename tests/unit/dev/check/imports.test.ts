import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { findImportProblems } from '../../../../dev/check/imports.ts'
import { readModuleReferences } from '../../../../dev/check/module-references.ts'

const roots: string[] = []

afterEach(async () => {
  await Promise.all(roots.splice(0).map((root) => rm(root, { recursive: true })))
})

/** Problems of a tree that has the given files below supabase/functions beside a correct rest. */
async function problemsOf(files: Record<string, string>): Promise<string[]> {
  const root = await mkdtemp(path.join(tmpdir(), 'imports-'))
  roots.push(root)
  const correct = {
    'agents/index.ts': `import { createApp } from './app.ts'\nimport '../_shared/env.ts'\ncreateApp()`,
    'agents/app.ts': `import '../_shared/executions/invoke.ts'\nexport const createApp = () => 1`,
    'oauth/index.ts': `export default {}`,
    '_shared/executions/invoke.ts': `import '../models/adapter.ts'\nimport '../database.ts'`,
    '_shared/models/adapter.ts': `import '../errors.ts'\nimport '../http/sse.ts'`,
    '_shared/http/sse.ts': `export const sse = 1`,
    '_shared/database.ts': `import { PostgrestClient } from '@supabase/postgrest-js'`,
    '_shared/models/reader.ts': `import './adapter.ts'`,
    '_shared/env.ts': `export const env = 1`,
    '_shared/errors.ts': `export class ApiError extends Error {}`,
  }
  for (const [name, text] of Object.entries({ ...correct, ...files })) {
    const file = path.join(root, 'supabase/functions', name)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, text)
  }
  return findImportProblems(root)
}

describe('the direction of imports', () => {
  it('accepts imports that go down', async () => {
    expect(await problemsOf({})).toEqual([])
  })

  it.each([
    ['a static import', `import { invoke } from '../executions/invoke.ts'`],
    ['a type import', `import type { Invoke } from '../executions/invoke.ts'`],
    ['a re-export', `export * from '../executions/invoke.ts'`],
    ['a dynamic import', `const invoke = await import('../executions/invoke.ts')`],
    ['a type query', `export type Invoke = import('../executions/invoke.ts').Invoke`],
  ])('refuses %s that goes up', async (_form, text) => {
    expect(await problemsOf({ '_shared/http/sse.ts': text })).toContain(
      'supabase/functions/_shared/http/sse.ts:1 http imports upwards, from executions',
    )
  })

  it('does not mistake text for an import', async () => {
    const text = `// import '../executions/invoke.ts'\nexport const sse = "import '../auth.ts'"`
    expect(await problemsOf({ '_shared/http/sse.ts': text })).toEqual([])
  })

  it.each([
    [
      'oauth/index.ts',
      `import '../agents/app.ts'`,
      /the function oauth imports the function agents/,
    ],
    ['_shared/errors.ts', `import '../agents/app.ts'`, /shared code imports the function agents/],
    ['_shared/json.ts', `import './errors.ts'`, /json and errors stand side by side/],
    ['agents/app.ts', `import './index.ts'`, /app imports upwards, from index/],
    ['_shared/surprise.ts', `export {}`, /has no layer/],
    ['_shared/http/sse.ts', `import '../../../../tests/support/x.ts'`, /is not a file/],
    ['_shared/http/sse.ts', `import './absent.ts'`, /absent.ts is not a file/],
    ['_shared/http/sse.ts', `import './sse'`, /sse is not a file/],
    ['_shared/http/sse.ts', `await import(name)`, /without a literal/],
    ['_shared/http/sse.ts', `import 'npm:hono@4'`, /not a bare specifier/],
    [
      '_shared/http/sse.ts',
      `import { createClient } from '@supabase/supabase-js'`,
      /only .*database.ts/,
    ],
    ['_shared/http/sse.ts', `import '../models/adapter.ts'`, /http imports upwards, from models/],
    ['_shared/models/adapter.ts', `import './reader.ts'`, /imports itself/],
    ['_shared/executions/stream/x.ts', `import '../invoke.ts'`, /stream imports upwards/],
  ])('refuses in %s: %s', async (file, text, reason) => {
    const problems = await problemsOf({ [file]: text })
    expect(problems).toEqual([expect.stringMatching(reason)])
  })

  it('refuses sources that import tests', async () => {
    const problems = await problemsOf({
      '../../tests/support/x.ts': 'export {}',
      '_shared/errors.ts': `import '../../../tests/support/x.ts'`,
    })
    expect(problems).toEqual([
      'supabase/functions/_shared/errors.ts:1 supabase/functions does not import tests/support/x.ts',
    ])
  })
})

describe('reading module references', () => {
  it('tells imports that are erased from those that run', () => {
    const text = `import { type A, type B } from './a.ts'\nimport { type C, d } from './b.ts'\nimport './c.ts'`
    expect(readModuleReferences('x.ts', text)).toEqual([
      { specifier: './a.ts', line: 1, typeOnly: true },
      { specifier: './b.ts', line: 2, typeOnly: false },
      { specifier: './c.ts', line: 3, typeOnly: false },
    ])
  })
})
