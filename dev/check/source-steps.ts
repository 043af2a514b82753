import { existsSync } from 'node:fs'
import { copyFile, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { type CommandOptions, root, runTool } from './command.ts'
import { findImportMapProblems } from './import-maps.ts'
import { findImportProblems } from './imports.ts'
import { type Outcome, outcomeOf, passed, type Step } from './runner.ts'
import { findVersionProblems } from './versions.ts'

/** The steps that need nothing but the sources. */
export const sourceSteps: Step[] = [
  { name: 'format', run: () => tool('prettier', ['--check', '--log-level=warn', '.']) },
  { name: 'lint', run: () => tool('eslint', ['--max-warnings=0', '.']) },
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
]

async function tool(name: string, args: string[], options?: CommandOptions): Promise<Outcome> {
  const { code, stdout, stderr } = await runTool(name, args, options)
  return code === 0 ? passed : { kind: 'failed', output: `${stdout}${stderr}` }
}

/** Type-checks each function as the platform's runtime sees it: Deno's types, its own import map. */
async function checkWithDeno(): Promise<Outcome> {
  const folder = 'supabase/functions'
  const names = (await readdir(path.join(root, folder), { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('_'))
    .map((entry) => entry.name)
  const problems: string[] = []
  for (const name of names) {
    const entry = `${folder}/${name}/index.ts`
    const config = `${folder}/${name}/deno.json`
    const missing = [entry, config].filter((file) => !existsSync(path.join(root, file)))
    problems.push(...missing.map((file) => `${file} is missing`))
    if (missing.length > 0) continue
    // Deno finds the types of `node:` modules through a package.json beside the configuration only.
    const copy = `deno.check-${name}-${process.pid}.json`
    try {
      await copyFile(path.join(root, config), path.join(root, copy))
      const outcome = await tool(
        'deno',
        ['check', '--quiet', '--node-modules-dir=manual', '--config', copy, entry],
        {
          // Everything comes from node_modules; the cache of checked files stays in the project too.
          env: { DENO_DIR: path.join(root, 'node_modules/.cache/deno'), NO_COLOR: '1' },
        },
      )
      if (outcome.kind === 'failed') problems.push(outcome.output)
    } finally {
      await rm(path.join(root, copy), { force: true })
    }
  }
  return outcomeOf(problems)
}
