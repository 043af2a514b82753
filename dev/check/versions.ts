import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'

const dependencies = z.record(z.string(), z.string()).default({})
const packageJson = z.object({ dependencies, devDependencies: dependencies })
const denoJson = z.object({
  imports: z.record(z.string(), z.string()).default({}),
  nodeModulesDir: z.string().optional(),
})

const exactVersion = /^\d+\.\d+\.\d+(-[\w.]+)?$/
const npmSpecifier = /^npm:\/?((?:@[^/@]+\/)?[^/@]+)@([^/]+)(\/.*)?$/

/**
 * Checks that package.json names exact versions, that each function's import map names the same
 * ones, and that no deno.json says where packages are: a deployment has no node_modules, while the
 * local stack passes the installed one on the command line.
 *
 * @returns one line per offence; empty when there is none
 */
export async function findVersionProblems(root: string): Promise<string[]> {
  const manifest = packageJson.parse(await readJson(path.join(root, 'package.json')))
  const everything = { ...manifest.devDependencies, ...manifest.dependencies }
  const problems = Object.entries(everything)
    .filter(([, version]) => !exactVersion.test(version))
    .map(([name, version]) => `package.json: ${name} has no exact version but ${version}`)
  for (const file of await listImportMaps(root)) {
    const { imports, nodeModulesDir } = denoJson.parse(await readJson(path.join(root, file)))
    if (nodeModulesDir !== undefined) problems.push(`${file}: nodeModulesDir is set`)
    for (const [name, target] of Object.entries(imports)) {
      const reason = mappingProblem(name, target, manifest.dependencies)
      if (reason !== null) problems.push(`${file}: ${name} ${reason}`)
    }
  }
  return problems
}

async function listImportMaps(root: string): Promise<string[]> {
  const folder = 'supabase/functions'
  const entries = await readdir(path.join(root, folder), { recursive: true })
  return entries
    .filter((entry) => path.basename(entry) === 'deno.json' && !entry.includes('node_modules'))
    .map((entry) => `${folder}/${entry.split(path.sep).join('/')}`)
    .sort()
}

function mappingProblem(
  name: string,
  target: string,
  versions: Record<string, string>,
): string | null {
  const [, mapped, version, subpath = ''] = npmSpecifier.exec(target) ?? []
  if (mapped === undefined || version === undefined) return `is mapped to ${target}, not to npm`
  if (name !== `${mapped}${subpath}`) return `is mapped to another module, ${target}`
  const expected = versions[mapped]
  if (expected === undefined) return 'is not in the dependencies of package.json'
  return version === expected ? null : `is ${version}, but ${expected} in package.json`
}

async function readJson(file: string): Promise<unknown> {
  return JSON.parse(await readFile(file, 'utf8'))
}
