import type { ChildProcess } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'

import { findFreePort } from './free-port.ts'
import { findPostgresBinaries } from './postgres-binaries.ts'
import { type DataDirectory, prepareDataDirectory } from './postgres-data.ts'
import type { Secrets } from './secrets.ts'
import { StartError } from './start-error.ts'
import { isRunning, startTiedProcess, stopProcess } from './tied-process.ts'

export type LoginRole = keyof Secrets['passwords']

export interface EmbeddedPostgres {
  port: number
  /** Connection URL for one of the roles that log in. */
  url(role: LoginRole): string
  close(): Promise<void>
}

export interface PostgresOptions {
  /** State directory; the log is `postgres.log` in it. */
  directory: string
  passwords: Secrets['passwords']
  /** False trades crash safety for speed: data that nobody needs after the run. */
  durable: boolean
  preferredPort: number | undefined
  log: (line: string) => void
  /** Called when the server ends without having been asked to. */
  onExit: (reason: string) => void
}

/**
 * Starts PostgreSQL on the data directory of an earlier start, or on a new one. Listens on
 * 127.0.0.1 only. The superuser is `supabase_admin`, as on the platform.
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const { directory, passwords } = options
  const data = await prepareDataDirectory(options)
  const port = await findFreePort(options.preferredPort)
  let closing = false
  const server = await launch(data, port, options)
  server.once('exit', (code) => {
    // On Ctrl-C the terminal ends PostgreSQL too, before the stack closes.
    setTimeout(() => {
      if (!closing) options.onExit(`PostgreSQL ended (exit code ${code}): ${logFile(directory)}`)
    }, 500).unref()
  })
  return {
    port,
    url: (role) => `postgresql://${role}:${passwords[role]}@127.0.0.1:${port}/postgres`,
    async close() {
      closing = true
      // SIGINT is PostgreSQL's fast shutdown: roll back, disconnect, checkpoint, end.
      await stopProcess(server, 'SIGINT', 20_000)
    },
  }
}

export function logFile(directory: string): string {
  return join(directory, 'postgres.log')
}

function settings(port: number, durable: boolean): string[] {
  const values = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 200,
    shared_preload_libraries: 'pg_stat_statements',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  }
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

function launch(
  data: DataDirectory,
  port: number,
  options: PostgresOptions,
): Promise<ChildProcess> {
  const { postgres } = findPostgresBinaries(data.user)
  const server = startTiedProcess(
    postgres,
    ['-D', data.path, ...settings(port, options.durable)],
    // LC_MESSAGES: the line that says the server is ready is looked for in English.
    { env: { LC_MESSAGES: 'C', TZ: 'UTC' }, cwd: data.path, signal: 'SIGINT', ...data.user },
  )
  const logged = createWriteStream(logFile(options.directory), { flags: 'a', mode: 0o600 })
  return new Promise((resolve, reject) => {
    let recent = ''
    const listen = (chunk: Buffer) => {
      recent = (recent + chunk.toString()).slice(-4_000)
      if (!recent.includes('database system is ready to accept connections')) return
      server.stderr?.off('data', listen)
      resolve(server)
    }
    server.stderr?.pipe(logged)
    server.stdout?.pipe(logged, { end: false })
    server.stderr?.on('data', listen)
    server.once('error', reject)
    server.once('exit', () => {
      const fatal = recent.split('\n').find((line) => /FATAL|PANIC/.test(line))
      const reason = fatal?.replace(/^.*?(FATAL|PANIC):\s*/, '') ?? 'no reason given'
      reject(
        new StartError(
          `PostgreSQL did not start: ${reason}. See ${logFile(options.directory)}; "npm run db:reset" begins again with an empty database.`,
        ),
      )
    })
    if (!isRunning(server)) reject(new StartError(`PostgreSQL could not be run: ${postgres}`))
  })
}
