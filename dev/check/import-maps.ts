import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { readReferences, resolveReference } from './module-references.ts'

const folder = 'supabase/functions'
const denoJson = z.object({ imports: z.record(z.string(), z.string()).default({}) })

/**
 * Checks that each function's deno.json maps exactly the packages that its files import. Locally
 * Deno also finds packages by package.json, which the platform does not have, so a missing line
 * would show only after a deployment; one too many would be deployed with it.
 *
 * @returns one line per offence; empty when there is none
 */
export async function findImportMapProblems(root: string): Promise<string[]> {
  const entries = await readdir(path.join(root, folder), { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('_'))
  const problems: string[] = []
  for (const { name } of names) {
    const file = `${folder}/${name}/deno.json`
    if (!existsSync(path.join(root, file))) {
      problems.push(`${file} is missing`)
      continue
    }
    const { imports } = denoJson.parse(JSON.parse(await readFile(path.join(root, file), 'utf8')))
    const packages = await collectPackages(root, `${folder}/${name}/index.ts`)
    const keys = Object.keys(imports)
    for (const [specifier, from] of packages) {
      if (keys.some((key) => covers(key, specifier))) continue
      problems.push(`${file} does not map ${specifier}, which ${from} imports`)
    }
    const unused = keys.filter((key) => ![...packages.keys()].some((name) => covers(key, name)))
    problems.push(...unused.map((key) => `${file} maps ${key}, which nothing imports`))
  }
  return problems
}

/** Whether a key of an import map holds for a specifier; one that ends with / holds for all below. */
function covers(key: string, specifier: string): boolean {
  return key === specifier || (key.endsWith('/') && specifier.startsWith(key))
}

/** The packages that a file and everything it imports need, each with a file that names it. */
async function collectPackages(root: string, entry: string): Promise<Map<string, string>> {
  const packages = new Map<string, string>()
  const seen = new Set([entry])
  for (const file of seen) {
    if (!existsSync(path.join(root, file))) continue // Reported as an import of no file.
    for (const { specifier } of await readReferences(root, file)) {
      const target = resolveReference(file, specifier)
      if (target !== null) seen.add(target)
      else if (!/^\w+:/.test(specifier)) packages.set(specifier, file)
    }
  }
  return packages
}
