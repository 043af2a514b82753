import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll } from 'vitest'
import { runCommand } from '../../../dev/check/command.ts'
import { takeLock } from '../../../dev/process/lock-file.ts'
import { StartError } from '../../../dev/process/start-error.ts'

/** Milliseconds in which npm installs the clients, or a busy machine loads them all. */
const slow = 300_000

/** Where the clients are whose newest versions need a newer Node than the project. */
export const newestFolder = fileURLToPath(new URL('../../clients/newest/', import.meta.url))

/**
 * Registers the hook that installs the clients of tests/clients/newest and their Node, unless that
 * has happened: `npm ci --prefix tests/clients/newest`. They have a package.json of their own: in the
 * project's, that Node would take the place of the one that runs the tests.
 */
export function useNewestFolder(): void {
  beforeAll(async () => {
    if (isInstalled()) return
    const release = await waitForLock()
    try {
      if (!isInstalled()) await install()
    } finally {
      release()
    }
  }, slow)
}

/**
 * Registers hooks that start a script of the folder under its Node, and end it.
 * @returns sends the script a message and waits for what it says of it
 */
export function useNewestScript<Message extends object, Answer>(
  script: string,
): (message: Message) => Promise<Answer> {
  useNewestFolder()
  let child: ChildProcess
  const next = async () => {
    const over = new AbortController()
    const { signal } = over
    const ended = once(child, 'exit', { signal }).then(([code]) => {
      throw new Error(`${script} ended with code ${String(code)}`)
    })
    const said = once(child, 'message', { signal }) as Promise<[Said<Answer>]>
    const [{ error, answer }] = await Promise.race([said, ended]).finally(() => over.abort())
    if (error !== undefined) throw new Error(error)
    return answer
  }
  beforeAll(async () => {
    child = fork(script, {
      cwd: newestFolder,
      execPath: nodeOf(24),
      execArgv: ['--import', './resolve-here.js'],
      // Nothing of this process: neither keys of providers nor what Vitest sets.
      env: { PATH: process.env.PATH },
    })
    await next()
  }, slow)
  afterAll(() => void child.kill())
  return async (message) => {
    child.send(message)
    return (await next()) as Answer
  }
}

interface Said<Answer> {
  readonly answer?: Answer
  /** With its stack. */
  readonly error?: string
}

/** npm writes this file last. */
const installed = path.join(newestFolder, 'node_modules/.package-lock.json')

function isInstalled(): boolean {
  const { mtimeMs } = statSync(path.join(newestFolder, 'package-lock.json'))
  return existsSync(installed) && statSync(installed).mtimeMs >= mtimeMs
}

async function install(): Promise<void> {
  const args = ['ci', '--no-audit', '--no-fund']
  const { code, stderr } = await runCommand('npm', args, { cwd: newestFolder })
  if (code !== 0) throw new Error(`npm ci in ${newestFolder} failed: ${stderr}`)
}

/** Files of tests that come at once take turns. */
async function waitForLock(): Promise<() => void> {
  for (;;) {
    try {
      return takeLock(newestFolder, console.log).release
    } catch (error) {
      if (!(error instanceof StartError)) throw error
      await setTimeout(250)
    }
  }
}

/** A Node of that major version: from npm on Linux, elsewhere the one that runs this. */
export function nodeOf(major: 22 | 24): string {
  const name = `node${major}-${process.platform}-${process.arch}`
  const packaged = path.join(newestFolder, 'node_modules', name, 'bin/node')
  if (existsSync(packaged)) return packaged
  if (Number.parseInt(process.versions.node) === major) return process.execPath
  throw new Error(`npm has no Node ${major} for ${process.platform}: run the tests with it`)
}
