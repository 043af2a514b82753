import type { ChildProcess } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { findFreePort } from '../process/free-port.ts'
import { growingPause } from '../process/growing-pause.ts'
import { firstLine, StartError } from '../process/start-error.ts'
import { isRunning, startTiedProcess, stopProcess } from '../process/tied-process.ts'
import { findPostgresBinaries } from './postgres-binaries.ts'
import { clearPostmaster, type DataDirectory, prepareDataDirectory } from './postgres-data.ts'
import type { Secrets } from './secrets.ts'

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
  /** False trades crash safety for speed, for data that the run does not need afterwards. */
  durable: boolean
  preferredPort: number | undefined
  log: (line: string) => void
}

const SHUTDOWN_MS = 20_000

/**
 * Starts PostgreSQL on the data directory of an earlier start, or on a new one. Listens on
 * 127.0.0.1 only. The superuser is `supabase_admin`, as on the platform.
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const { directory, passwords } = options
  const data = await prepareDataDirectory(options)
  const port = await findFreePort(options.preferredPort)
  const server = await keepRunning(() => launch(data, port, options), {
    beforeRestart: () => clearPostmaster(data.path, options.log),
    log: (line) => options.log(`${line} Its log is ${logFile(directory)}.`),
  })
  return {
    port,
    url: (role) => `postgresql://${role}:${passwords[role]}@127.0.0.1:${port}/postgres`,
    close: () => server.close(),
  }
}

interface Launched {
  child: ChildProcess
  /** Resolves when the server accepts connections. */
  ready: Promise<void>
}

/**
 * Starts the server, and again, after a growing pause, whenever it ends without having been asked
 * to. Only the first start may fail.
 */
async function keepRunning(
  launchServer: () => Launched,
  { beforeRestart, log }: { beforeRestart: () => Promise<void>; log: (line: string) => void },
): Promise<{ close(): Promise<void> }> {
  const pause = growingPause()
  let closing = false
  let timer: NodeJS.Timeout | undefined
  let current = launchServer()

  const restartLater = (reason: string, startedAt: number) => {
    if (closing) return
    timer = setTimeout(
      () => {
        log(`PostgreSQL ended (${reason}) and is started again.`)
        restart().catch((error: unknown) => restartLater(firstLine(error), Date.now()))
      },
      pause(Date.now() - startedAt),
    )
  }
  const watch = ({ child }: Launched) => {
    const startedAt = Date.now()
    child.once('exit', (code, signal) => {
      restartLater(signal ?? `exit code ${code}`, startedAt)
    })
  }
  const restart = async () => {
    await beforeRestart()
    if (closing) return
    current = launchServer()
    await current.ready
    watch(current)
  }

  await current.ready
  watch(current)
  return {
    async close() {
      closing = true
      clearTimeout(timer)
      // SIGINT is PostgreSQL's fast shutdown: roll back, disconnect, checkpoint, end.
      await stopProcess(current.child, 'SIGINT', SHUTDOWN_MS)
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

function launch(data: DataDirectory, port: number, options: PostgresOptions): Launched {
  const { postgres } = findPostgresBinaries(data.user)
  const server = startTiedProcess(
    postgres,
    ['-D', data.path, ...settings(port, options.durable)],
    // LC_MESSAGES: the line that says the server is ready is looked for in English.
    {
      env: { LC_MESSAGES: 'C', TZ: 'UTC' },
      cwd: data.path,
      signal: 'SIGINT',
      graceMs: SHUTDOWN_MS,
      ...data.user,
    },
  )
  const logged = createWriteStream(logFile(options.directory), { flags: 'a', mode: 0o600 })
  // A full disk or a deleted folder costs the log, not the stack.
  logged.on('error', (error) => options.log(`The log of PostgreSQL fails: ${firstLine(error)}`))
  const ready = new Promise<void>((resolve, reject) => {
    let recent = ''
    const listen = (chunk: Buffer) => {
      recent = (recent + chunk.toString()).slice(-4_000)
      if (!recent.includes('database system is ready to accept connections')) return
      server.stderr?.off('data', listen)
      resolve()
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
  return { child: server, ready }
}
