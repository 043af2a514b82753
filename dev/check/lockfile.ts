import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'

const lockfile = z.object({
  packages: z.record(
    z.string(),
    z.object({ optionalDependencies: z.record(z.string(), z.string()).optional() }),
  ),
})

/**
 * Checks that package-lock.json has an entry for every optional dependency, that is for the builds
 * of a package for other platforms too. npm leaves out those that its registry lacks, and then
 * `npm ci` refuses the lockfile on every platform.
 *
 * @returns one line per missing entry; empty when there is none
 */
export async function findLockProblems(root: string): Promise<string[]> {
  const text = await readFile(path.join(root, 'package-lock.json'), 'utf8')
  const { packages } = lockfile.parse(JSON.parse(text))
  return Object.entries(packages).flatMap(([owner, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !placesFor(owner, name).some((place) => place in packages))
      .map((name) => `package-lock.json lacks ${name}, an optional dependency of ${owner}`),
  )
}

/** Where Node looks for a package that another one imports, nearest first. */
function placesFor(owner: string, name: string): string[] {
  const places = [`${owner === '' ? '' : `${owner}/`}node_modules/${name}`]
  const above = owner.lastIndexOf('node_modules/')
  if (above === -1) return places
  return [...places, ...placesFor(owner.slice(0, Math.max(0, above - 1)), name)]
}
