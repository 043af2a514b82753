import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { isAlive, startTicks } from './process-identity.ts'
import { errorCode, StartError } from './start-error.ts'

interface Lock {
  pid: number
  started?: string | undefined
  url?: string | undefined
}

export interface LockFile {
  /** Records where the stack answers, for the message a second start prints. */
  publish(url: string): void
  release(): void
}

/**
 * Takes `<directory>/lock`: one running stack per state directory, because two would open the same
 * database files. A lock whose process is gone is removed with a printed line.
 *
 * @throws StartError when another stack runs from this directory.
 */
export function takeLock(directory: string, log: (line: string) => void): LockFile {
  const path = join(directory, 'lock')
  const draft = `${path}.${process.pid}`
  const own: Lock = { pid: process.pid, started: startTicks(process.pid) }
  writeFileSync(draft, JSON.stringify(own), { mode: 0o600 })
  try {
    // A link appears with its content in one step; a created file would be empty for a moment.
    while (!tryLink(draft, path)) {
      const holder = readLock(path)
      if (holder !== undefined && isHeld(holder)) throw new StartError(alreadyRunning(holder))
      log(`Removed a stale lock (${path}): the process that held it is gone.`)
      rmSync(path, { force: true })
    }
  } finally {
    rmSync(draft, { force: true })
  }
  return {
    publish: (url) => writeFileSync(path, JSON.stringify({ ...own, url }), { mode: 0o600 }),
    release: () => rmSync(path, { force: true }),
  }
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  }
}

function readLock(path: string): Lock | undefined {
  try {
    const lock: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof lock !== 'object' || lock === null || !('pid' in lock)) return undefined
    return typeof lock.pid === 'number' ? (lock as Lock) : undefined
  } catch {
    // Not readable or not ours: nobody holds it.
    return undefined
  }
}

function isHeld(lock: Lock): boolean {
  if (!isAlive(lock.pid)) return false
  return lock.started === undefined || lock.started === startTicks(lock.pid)
}

function alreadyRunning({ pid, url }: Lock): string {
  const where = url === undefined ? 'is starting' : `is running at ${url}`
  return `A stack ${where} already from this directory (process ${pid}). Use that one, or stop it with Ctrl-C in its terminal or "kill ${pid}".`
}
