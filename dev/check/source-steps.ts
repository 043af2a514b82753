import { existsSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { type CommandOptions, root, runTool } from './command.ts'
import { findListProblems } from './document-lists.ts'
import { findFenceProblems } from './fences.ts'
import { findSizeProblems } from './file-sizes.ts'
import { findStartProblems } from './function-starts.ts'
import { findImportMapProblems } from './import-maps.ts'
import { findImportProblems } from './imports.ts'
import { listProjectFiles } from './machine-names.ts'
import { findOpenApiProblems } from './openapi.ts'
import { type Outcome, outcomeOf, passed, type Step } from './runner.ts'
import { findForwardReferences, findLongLines, readSqlFiles } from './sql-files.ts'
import { findTestTreeProblems } from './test-tree.ts'
import { findVersionProblems } from './versions.ts'
import { findWordProblems } from './words.ts'

const denoConfig = z.strictObject({ imports: z.record(z.string(), z.string()) })

/** What tools keep between runs, by the content of files; `npm ci` empties it. */
const cache = path.join(root, 'node_modules/.cache')

/** The steps that need nothing but the sources. */
export const sourceSteps: Step[] = [
  { name: 'lint', run: () => tool('eslint', ['--max-warnings=0', '.']) },
  { name: 'format', run: checkFormat },
  { name: 'types', run: () => tool('tsc', ['--project', 'tsconfig.json']) },
  { name: 'deno', run: checkWithDeno },
  {
    name: 'imports',
    run: async () =>
      outcomeOf([
        ...(await findImportProblems(root)),
        ...(await findImportMapProblems(root)),
        ...(await findVersionProblems(root)),
      ]),
  },
  { name: 'openapi', run: async () => outcomeOf(await findOpenApiProblems()) },
  { name: 'sql', run: checkSql },
  {
    name: 'sizes',
    run: async () => {
      const files = await listProjectFiles(root)
      return outcomeOf([
        ...(await findSizeProblems(root, files)),
        ...findTestTreeProblems(files),
        ...(await findStartProblems(root)),
      ])
    },
  },
]

async function checkSql(): Promise<Outcome> {
  const files = await readSqlFiles(root)
  return outcomeOf([...findLongLines(files), ...findForwardReferences(files)])
}

/** @param steps gives the names of all steps when it is run, this one among them */
export function documentsStep(steps: () => readonly string[]): Step {
  return {
    name: 'documents',
    run: async () =>
      outcomeOf([
        ...(await findListProblems(root, steps())),
        ...(await findFenceProblems(root, await listProjectFiles(root))),
        ...(await findWordProblems(root, await listProjectFiles(root))),
      ]),
  }
}

function checkFormat(): Promise<Outcome> {
  const location = path.join(cache, 'prettier.json')
  const cached = ['--cache', '--cache-strategy=content', `--cache-location=${location}`]
  return tool('prettier', ['--check', '--log-level=warn', ...cached, '.'])
}

async function tool(name: string, args: string[], options?: CommandOptions): Promise<Outcome> {
  const { code, stdout, stderr } = await runTool(name, args, options)
  return code === 0 ? passed : { kind: 'failed', output: `${stdout}${stderr}` }
}

/**
 * Type-checks the functions as the platform's runtime sees them: Deno's types, the packages of their
 * import maps. One run checks all, under the maps put together: the step `imports` holds each
 * function's map to what that function imports, and all versions to those of package.json.
 */
async function checkWithDeno(): Promise<Outcome> {
  const folder = 'supabase/functions'
  const names = (await readdir(path.join(root, folder), { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('_'))
    .map((entry) => `${folder}/${entry.name}`)
  const missing = names
    .flatMap((name) => [`${name}/index.ts`, `${name}/deno.json`])
    .filter((file) => !existsSync(path.join(root, file)))
  if (missing.length > 0) return outcomeOf(missing.map((file) => `${file} is missing`))
  const configs = await Promise.all(names.map(readDenoConfig))
  const imports = Object.assign({}, ...configs.map((config) => config.imports)) as object
  // Deno finds the types of `node:` modules through a package.json beside the configuration only.
  const config = `deno.check-${process.pid}.json`
  try {
    await writeFile(path.join(root, config), JSON.stringify({ imports }))
    const entries = names.map((name) => `${name}/index.ts`)
    return await tool(
      'deno',
      ['check', '--quiet', '--node-modules-dir=manual', '--config', config, ...entries],
      // Everything comes from node_modules; the cache of checked files stays in the project too.
      { env: { DENO_DIR: path.join(cache, 'deno'), NO_COLOR: '1' } },
    )
  } finally {
    await rm(path.join(root, config), { force: true })
  }
}

/** A function's settings for Deno. One that is more than an import map could not be put together. */
async function readDenoConfig(folder: string): Promise<z.infer<typeof denoConfig>> {
  const text = await readFile(path.join(root, folder, 'deno.json'), 'utf8')
  return denoConfig.parse(JSON.parse(text))
}
