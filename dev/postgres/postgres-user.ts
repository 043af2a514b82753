import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { realpathSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { firstLine, StartError } from '../process/start-error.ts'

export interface PostgresUser {
  uid: number
  gid: number
}

/**
 * The user PostgreSQL runs as when we are root, which PostgreSQL refuses: `postgres`, made when it
 * does not exist. Undefined when we are not root: then it runs as ourselves.
 */
export function findPostgresUser(log: (line: string) => void): PostgresUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  const user = lookUp()
  if (user !== undefined) return user
  try {
    execFileSync('useradd', ['--system', '--user-group', '--no-create-home', 'postgres'], {
      stdio: 'pipe',
    })
  } catch (error) {
    throw new StartError(
      `PostgreSQL does not run as root, and the user "postgres" could not be made (${firstLine(error)}). Run npm start as another user.`,
    )
  }
  log('Running as root: made the system user "postgres", which PostgreSQL runs as.')
  const made = lookUp()
  if (made === undefined) throw new StartError('The user "postgres" was made but is not found.')
  return made
}

function lookUp(): PostgresUser | undefined {
  const id = (flag: string) =>
    Number(execFileSync('id', [flag, 'postgres'], { stdio: ['ignore', 'pipe', 'ignore'] }))
  try {
    return { uid: id('-u'), gid: id('-g') }
  } catch {
    // id(1) exits non-zero when there is no such user.
    return undefined
  }
}

/** Whether the user may pass through every folder on the way into `folder`. */
export function canEnter(folder: string, user: PostgresUser): boolean {
  for (let path = realpathSync(folder); ; path = dirname(path)) {
    const { mode, uid, gid } = statSync(path)
    const needed = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001
    if ((mode & needed) === 0) return false
    if (path === dirname(path)) return true
  }
}

/** For files that the server's user must reach when the checkout is closed to it. */
export const OUTSIDE = '/var/lib/colloquy'

/**
 * A folder outside the checkout for a state directory that `user` cannot enter, such as one under
 * root's home (mode 0700): its permissions are not ours to loosen.
 */
export function outsideFolder(directory: string): string {
  const name = createHash('sha256').update(directory).digest('hex').slice(0, 12)
  return join(OUTSIDE, name)
}
