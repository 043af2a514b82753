import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { findDocumentProblems } from '../../../../dev/check/documents.ts'
import { findImportMapProblems } from '../../../../dev/check/import-maps.ts'
import { findLockProblems } from '../../../../dev/check/lockfile.ts'
import { findMachineNames } from '../../../../dev/check/machine-names.ts'
import { findVariableProblems } from '../../../../dev/check/variables.ts'
import { findVersionProblems } from '../../../../dev/check/versions.ts'

const roots: string[] = []

afterEach(async () => {
  await Promise.all(roots.splice(0).map((root) => rm(root, { recursive: true })))
})

async function makeTree(files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(path.join(tmpdir(), 'layout-'))
  roots.push(root)
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true })
    await writeFile(path.join(root, name), text)
  }
  return root
}

describe('documents', () => {
  it('may name what there is, and are told what there is not', async () => {
    const tree = await makeTree({
      'package.json': '{"scripts":{"bench":"node bench/run.ts"}}',
      'supabase/functions/_shared/auth/token.ts': '',
      'docs/good.md':
        '[this](good.md#part), [that](https://example.com), `_shared/auth/token.ts`, `supabase/`, ' +
        '`supabase/functions/<name>`, `a/b`, `npm run bench`',
      'docs/bad.md': '[gone](../gone.md), `_shared/auth.ts`, `dev/`, `npm run absent`',
    })
    const files = ['docs/good.md', 'docs/bad.md', 'supabase/functions/_shared/auth/token.ts']
    expect(await findDocumentProblems(tree, files)).toEqual([
      'docs/bad.md names gone.md, which does not exist',
      'docs/bad.md names supabase/functions/_shared/auth.ts, which does not exist',
      'docs/bad.md names dev/, which does not exist',
      'docs/bad.md names the script absent, which package.json lacks',
    ])
  })
})

describe('decisions', () => {
  it('have numbers without a gap, and say what was decided and what is bad about it', async () => {
    const whole = '# It\n\n## Context\n\n## Decision\n\n## Consequences\n'
    const tree = await makeTree({
      'package.json': '{"scripts":{}}',
      'docs/decisions/0001-this.md': whole,
      'docs/decisions/0003-that.md': '# That\n\n## Context\n',
      'docs/decisions/2026-11-28-late.md': whole,
    })
    const files = ['0001-this', '0003-that', '2026-11-28-late'].map((n) => `docs/decisions/${n}.md`)
    expect(await findDocumentProblems(tree, files)).toEqual([
      'docs/decisions/0003-that.md lacks the part "## Decision"',
      'docs/decisions/0003-that.md lacks the part "## Consequences"',
      'docs/decisions/0003-that.md: its number should be 0002, as NNNN-what-it-says.md',
      'docs/decisions/2026-11-28-late.md: its number should be 0003, as NNNN-what-it-says.md',
    ])
  })
})

describe('versions', () => {
  const problemsOf = async (dependencies: object, denoJson: object): Promise<string[]> =>
    findVersionProblems(
      await makeTree({
        'package.json': JSON.stringify({ dependencies, devDependencies: { tool: '2.0.0' } }),
        'supabase/functions/agents/deno.json': JSON.stringify(denoJson),
      }),
    )

  it('accepts a map that names the versions of package.json', async () => {
    const imports = {
      hono: 'npm:hono@4.13.19',
      'hono/streaming': 'npm:hono@4.13.19/streaming',
      '@scope/name': 'npm:@scope/name@1.0.0-beta.17',
    }
    const dependencies = { hono: '4.13.19', '@scope/name': '1.0.0-beta.17' }
    expect(await problemsOf(dependencies, { imports })).toEqual([])
  })

  it.each([
    [{ hono: 'npm:hono@4.13.18' }, 'hono is 4.13.18, but 4.13.19 in package.json'],
    [{ hono: 'npm:hono@^4.13.19' }, 'hono is ^4.13.19, but 4.13.19 in package.json'],
    [{ hono: 'jsr:@hono/hono@4.13.19' }, 'hono is mapped to jsr:@hono/hono@4.13.19, not to npm'],
    [{ hono: 'npm:hono' }, 'hono is mapped to npm:hono, not to npm'],
    [{ hono: 'npm:other@4.13.19' }, 'hono is mapped to another module, npm:other@4.13.19'],
    [{ tool: 'npm:tool@2.0.0' }, 'tool is not in the dependencies of package.json'],
  ])('refuses the map %j', async (imports, reason) => {
    expect(await problemsOf({ hono: '4.13.19' }, { imports })).toEqual([
      `supabase/functions/agents/deno.json: ${reason}`,
    ])
  })

  it('refuses a range in package.json and a map that says where packages are', async () => {
    expect(await problemsOf({ hono: '^4.13.19' }, { nodeModulesDir: 'manual' })).toEqual([
      'package.json: hono has no exact version but ^4.13.19',
      'supabase/functions/agents/deno.json: nodeModulesDir is set',
    ])
  })
})

describe('the lockfile', () => {
  it('has to name the builds of a package for other platforms', async () => {
    const optionalDependencies = { 'build-linux': '1.0.0', 'build-darwin': '1.0.0' }
    const packages = {
      '': {},
      'node_modules/tool': { optionalDependencies },
      'node_modules/build-linux': {},
      'node_modules/a/node_modules/tool': { optionalDependencies },
      'node_modules/a/node_modules/build-darwin': {},
    }
    const own = { '': { optionalDependencies: { 'node-arm': '1.0.0' } } }
    const root = await makeTree({
      'package-lock.json': JSON.stringify({ packages }),
      'tests/clients/newest/package-lock.json': JSON.stringify({ packages: own }),
    })
    expect(await findLockProblems(root)).toEqual([
      'package-lock.json lacks build-darwin, an optional dependency of node_modules/tool',
      'tests/clients/newest/package-lock.json lacks node-arm, an optional dependency of the project',
    ])
  })
})

describe('import maps', () => {
  const problemsOf = async (imports: object): Promise<string[]> =>
    findImportMapProblems(
      await makeTree({
        'supabase/functions/agents/deno.json': JSON.stringify({ imports }),
        'supabase/functions/agents/index.ts': `import '../_shared/env.ts'; import 'node:process'`,
        'supabase/functions/_shared/env.ts': `import type { z } from 'zod'; import './env.ts'`,
        'supabase/functions/_shared/unused.ts': `import 'jose'`,
      }),
    )

  it('accepts a map of what the files import, also through others', async () => {
    expect(await problemsOf({ zod: 'npm:zod@4.6.7' })).toEqual([])
  })

  it('refuses a map that lacks a package, or has one too many', async () => {
    expect(await problemsOf({ jose: 'npm:jose@6.2.17' })).toEqual([
      'supabase/functions/agents/deno.json does not map zod, which supabase/functions/_shared/env.ts imports',
      'supabase/functions/agents/deno.json maps jose, which nothing imports',
    ])
  })

  it('accepts one line for all modules of a package', async () => {
    const root = await makeTree({
      'supabase/functions/agents/deno.json': '{ "imports": { "hono/": "npm:/hono@4.13.19/" } }',
      'supabase/functions/agents/index.ts': `import 'hono/cors'`,
    })
    expect(await findImportMapProblems(root)).toEqual([])
  })

  it('refuses a function without a map', async () => {
    const root = await makeTree({ 'supabase/functions/agents/index.ts': '' })
    expect(await findImportMapProblems(root)).toEqual([
      'supabase/functions/agents/deno.json is missing',
    ])
  })
})

describe('variables', () => {
  const problemsOf = async (example: string): Promise<string[]> =>
    findVariableProblems(
      await makeTree({
        '.env.example': example,
        'supabase/functions/_shared/env.ts': `value('SUPABASE_URL'); process.env.VERTEX_PROJECT`,
        'dev/stack.ts': `const { PORT } = process.env`,
        'dev/check/run.ts': `process.env['ONLY_CHECKS']`,
      }),
    )

  it('accepts an example that explains what is read', async () => {
    expect(
      await problemsOf('# SUPABASE_URL is set by the platform\nVERTEX_PROJECT=\n# PORT=1'),
    ).toEqual([])
  })

  it('refuses a variable that is not explained, and one that nothing reads', async () => {
    expect(await problemsOf('VERTEX_PROJECT=\n#ONLY_CHECKS=1\nGONE_AWAY=')).toEqual([
      '.env.example does not explain SUPABASE_URL, which supabase/functions/_shared/env.ts reads',
      '.env.example explains ONLY_CHECKS, which nothing reads',
      '.env.example explains GONE_AWAY, which nothing reads',
    ])
  })
})

describe('names of machines', () => {
  const slash = '/'

  it.each([
    ['a home directory', `${slash}home${slash}alice/project`],
    ['the home directory of root', `cd ${slash}root${slash}project`],
    ['a home directory on a Mac', `${slash}Users${slash}alice/project`],
    ['a package server', `registry${'.'}npmjs.org`],
    ['a mirror', `https:${slash}${slash}artifactory.example.com/npm`],
    ['a resolved address in a lockfile', `"resolved"${':'} "x"`],
    ['this checkout', 'see /checkout/here'],
  ])('finds %s', async (_what, text) => {
    const root = await makeTree({ 'a.md': text })
    expect(await findMachineNames(root, ['a.md'], ['/checkout/here'])).toHaveLength(1)
  })

  it('accepts addresses and paths that are the same everywhere', async () => {
    const text = `https://example.com${slash}home${slash}x /usr/lib /tmp $HOME${slash}root${slash}x`
    const root = await makeTree({ 'a.md': text })
    expect(await findMachineNames(root, ['a.md'], ['/checkout/here'])).toEqual([])
  })
})
