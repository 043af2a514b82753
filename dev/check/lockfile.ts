import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'

const lockfile = z.object({
  packages: z.record(
    z.string(),
    z.object({ optionalDependencies: z.record(z.string(), z.string()).optional() }),
  ),
})

const files = ['package-lock.json', 'tests/clients/newest/package-lock.json']

/**
 * Checks that each package-lock.json has an entry for every optional dependency, that is for the builds
 * of a package for other platforms too. npm leaves out those that its registry lacks, and then
 * `npm ci` refuses the lockfile on every platform.
 *
 * @returns one line per missing entry; empty when there is none
 */
export async function findLockProblems(root: string): Promise<string[]> {
  const problems = await Promise.all(
    files.map(async (file) => {
      const lacking = findLacking(await readFile(path.join(root, file), 'utf8'))
      return lacking.map((problem) => `${file} lacks ${problem}`)
    }),
  )
  return problems.flat()
}

function findLacking(text: string): string[] {
  const { packages } = lockfile.parse(JSON.parse(text))
  return Object.entries(packages).flatMap(([owner, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !placesFor(owner, name).some((place) => place in packages))
      .map((name) => `${name}, an optional dependency of ${owner === '' ? 'the project' : owner}`),
  )
}

/** Where Node looks for a package that another one imports, nearest first. */
function placesFor(owner: string, name: string): string[] {
  const places = [`${owner === '' ? '' : `${owner}/`}node_modules/${name}`]
  const above = owner.lastIndexOf('node_modules/')
  if (above === -1) return places
  return [...places, ...placesFor(owner.slice(0, Math.max(0, above - 1)), name)]
}
