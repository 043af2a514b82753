import { type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { findPostgresUser, type PostgresUser } from '../postgres/postgres-user.ts'
import { findFreePort } from '../process/free-port.ts'
import { startTiedProcess, stopProcess } from '../process/tied-process.ts'
import { runCommand } from './command.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

const programs = '/usr/lib/postgresql/15/bin'
const libraries = '/usr/lib/postgresql/15/lib'
const extensions = [`${libraries}/plpgsql_check.so`, `${libraries}/pg_cron.so`]
const packages = 'postgresql-15 postgresql-15-plpgsql-check postgresql-15-cron'

/** The packages to install for `startDebianPostgres`; null when they are installed. */
export function missingDebianPackages(): string | null {
  return [`${programs}/postgres`, ...extensions].every((file) => existsSync(file)) ? null : packages
}

export interface DebianPostgres {
  /** As the superuser `supabase_admin`. */
  url: string
  close: () => Promise<void>
}

/**
 * Starts a throw-away PostgreSQL 15 of Debian, the only build at hand with plpgsql_check and pg_cron: its own
 * data directory, password and free port on loopback. As root it runs as the user `postgres`, since
 * PostgreSQL refuses root.
 *
 * @throws Error with the server's own output when it does not start
 */
export async function startDebianPostgres(): Promise<DebianPostgres> {
  const { path: directory, remove } = await makeScratchDirectory()
  let server: ChildProcess | undefined
  const close = async (): Promise<void> => {
    if (server !== undefined) await stopProcess(server, 'SIGINT', 5000)
    remove()
  }
  try {
    const password = randomBytes(24).toString('base64url')
    const port = await findFreePort()
    const user = findPostgresUser(() => undefined)
    const options = { cwd: directory, ...user }
    await initialise(directory, password, user)
    const settings = [
      `port=${port}`,
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      'shared_preload_libraries=pg_cron',
      'cron.database_name=postgres',
    ]
    server = startTiedProcess(
      `${programs}/postgres`,
      ['-D', path.join(directory, 'data'), ...settings.flatMap((setting) => ['-c', setting])],
      { ...options, env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' }, signal: 'SIGINT' },
    )
    await untilReady(server)
    return { url: `postgres://supabase_admin:${password}@127.0.0.1:${port}/postgres`, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function initialise(
  directory: string,
  password: string,
  user: PostgresUser | undefined,
): Promise<void> {
  const passwordFile = path.join(directory, 'password')
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (user !== undefined) {
    for (const file of [directory, passwordFile]) await chown(file, user.uid, user.gid)
  }
  const { code, stdout, stderr } = await runCommand(
    `${programs}/initdb`,
    [
      `--pgdata=${path.join(directory, 'data')}`,
      '--username=supabase_admin',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C.UTF-8',
      '--no-sync',
    ],
    { cwd: directory, ...user },
  )
  if (code !== 0) throw new Error(`initdb exited with ${code}:\n${stdout}${stderr}`)
}

function untilReady(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = ''
    server.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
      if (output.includes('ready to accept connections')) resolve()
    })
    server.stdout?.resume()
    server.once('error', reject)
    server.once('exit', () => {
      reject(new Error(`PostgreSQL 15 did not start:\n${output}`))
    })
  })
}
