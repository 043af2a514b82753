import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isAlive, workingDirectory } from '../process/process-identity.ts'
import { StartError } from '../process/start-error.ts'
import { startTiedProcess } from '../process/tied-process.ts'
import { copyTemplate, hasTemplate, keepTemplate, templatePath } from './data-template.ts'
import { findPostgresBinaries } from './postgres-binaries.ts'
import { canEnter, findPostgresUser, outsideFolder, type PostgresUser } from './postgres-user.ts'

export interface DataDirectory {
  path: string
  user: PostgresUser | undefined
}

interface DataOptions {
  directory: string
  passwords: { supabase_admin: string }
  durable: boolean
  log: (line: string) => void
}

const MAJOR_VERSION = '17'

/** Where the data lies; nothing is made yet. */
export function locateData(directory: string, log: (line: string) => void): DataDirectory {
  const user = findPostgresUser(log)
  if (user === undefined || canEnter(directory, user)) {
    return { path: join(directory, 'postgres'), user }
  }
  return { path: join(outsideFolder(directory), 'postgres'), user }
}

/** The data directory, initialised on the first start, with nobody else's server on it. */
export async function prepareDataDirectory(options: DataOptions): Promise<DataDirectory> {
  const data = locateData(options.directory, options.log)
  const version = join(data.path, 'PG_VERSION')
  if (!existsSync(version)) {
    await initialise(data, options)
    if (!data.path.startsWith(options.directory)) {
      options.log(`Running as root in a folder closed to others: the database is in ${data.path}.`)
    }
    return data
  }
  const made = readFileSync(version, 'utf8').trim()
  if (made !== MAJOR_VERSION) {
    throw new StartError(
      `${data.path} was made by PostgreSQL ${made}, this is ${MAJOR_VERSION}. Move it away, or run "npm run db:reset".`,
    )
  }
  await clearPostmaster(data.path, options.log)
  return data
}

/** Moves the data directory aside, keeping it, so that the next start makes a new one. */
export function setDataAside(data: DataDirectory): string {
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '')
  const aside = `${data.path}-${stamp}`
  renameSync(data.path, aside)
  return aside
}

/** What initdb makes, for every owner. */
const layout = [
  '--username=supabase_admin',
  '--auth=scram-sha-256',
  '--encoding=UTF8',
  // Built in, so that text sorts the same on every operating system.
  '--locale=C',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
]

async function initialise(data: DataDirectory, options: DataOptions): Promise<void> {
  const { initdb, postgres, version } = findPostgresBinaries(data.user)
  // Under another name until it is whole: an interrupted first start must not look like data.
  const draft = `${data.path}.new`
  rmSync(draft, { recursive: true, force: true })
  // The parents first: other users must be able to enter them, and `mode` would apply to them too.
  mkdirSync(dirname(draft), { recursive: true, mode: 0o755 })
  mkdirSync(draft, { mode: 0o700 })
  if (data.user !== undefined) chownSync(draft, data.user.uid, data.user.gid)
  // Data that is kept comes from initdb itself.
  const template =
    options.durable || process.platform === 'win32' ? undefined : templatePath(version, layout)
  if (template !== undefined && hasTemplate(template)) {
    copyTemplate(template, draft, data.user)
    await setPassword(postgres, draft, options.passwords.supabase_admin, data)
  } else {
    await runInitdb(initdb, draft, data, options)
    if (template !== undefined) keepTemplate(draft, template)
  }
  renameSync(draft, data.path)
}

async function runInitdb(
  initdb: string,
  draft: string,
  data: DataDirectory,
  { passwords, durable }: DataOptions,
): Promise<void> {
  const passwordFile = `${draft}.password`
  writeFileSync(passwordFile, `${passwords.supabase_admin}\n`, { mode: 0o600 })
  if (data.user !== undefined) chownSync(passwordFile, data.user.uid, data.user.gid)
  const sync = durable ? [] : ['--no-sync']
  const args = [`--pgdata=${draft}`, `--pwfile=${passwordFile}`, '--no-instructions', ...sync]
  try {
    await run(initdb, [...layout, ...args], data)
  } finally {
    rmSync(passwordFile, { force: true })
  }
}

/** In place of the password in the template, which is another stack's. */
async function setPassword(
  postgres: string,
  draft: string,
  password: string,
  data: DataDirectory,
): Promise<void> {
  const statement = `alter role supabase_admin password '${password.replaceAll("'", "''")}'`
  const script = 'printf "%s\\n" "$STATEMENT" | "$0" --single -F -D "$1" postgres'
  await run('/bin/sh', ['-c', script, postgres, draft], data, { STATEMENT: statement })
}

function run(
  command: string,
  args: string[],
  { user }: DataDirectory,
  env: Record<string, string> = {},
): Promise<void> {
  const child = startTiedProcess(command, args, {
    env: { LC_ALL: 'C', TZ: 'UTC', PATH: process.env.PATH ?? '', ...env },
    cwd: '/',
    signal: 'SIGTERM',
    ...user,
  })
  let errors = ''
  child.stdout?.resume()
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve()
      else
        reject(new StartError(`${basename(command)} failed: ${errors.trim().split('\n').at(-1)}`))
    })
  })
}

/**
 * Handles a `postmaster.pid` that an earlier server left. We hold the stack's lock, so a server
 * still on this data is an orphan: it is stopped. A process id that now belongs to something else,
 * common in containers, would keep PostgreSQL from starting: the file is removed.
 */
export async function clearPostmaster(path: string, log: (line: string) => void): Promise<void> {
  const file = join(path, 'postmaster.pid')
  if (!existsSync(file)) return
  const pid = Number(readFileSync(file, 'utf8').split('\n', 1)[0])
  if (!isOrphan(pid, path)) {
    rmSync(file, { force: true })
    log('Removed a stale postmaster.pid: the database was not shut down, it recovers by itself.')
    return
  }
  log(`Stopping a PostgreSQL (process ${pid}) that an earlier start left behind.`)
  process.kill(pid, 'SIGINT')
  const deadline = Date.now() + 20_000
  while (isAlive(pid)) {
    if (Date.now() > deadline) {
      throw new StartError(
        `PostgreSQL (process ${pid}) still holds ${path}. Stop it with "kill -INT ${pid}", then start again.`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** A postmaster works in its data directory; where that cannot be seen, being alive must do. */
function isOrphan(pid: number, path: string): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return false
  const folder = workingDirectory(pid)
  return folder === undefined ? process.platform !== 'linux' : folder === path
}
