import { spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeDirectory } from '../support/stack/directory.ts'
import { descendantsOf, type ProcessMark, survivors } from '../support/stack/processes.ts'
import { startEnv } from '../support/stack/start-command.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const STARTS = {
  node: [process.execPath, '--import', 'tsx', 'dev/start.ts'],
  'npm start': ['npm', 'start'],
} as const

let directory: string
beforeEach(() => {
  directory = makeDirectory()
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

interface Started {
  pid: number
  /** Resolves when the output has the text, or when the process has ended. */
  printed(text: string): Promise<void>
  /** Reads its output no more, as `head` does. */
  leave(): void
  exited: Promise<unknown>
}

/** As a terminal does: the command leads a group of processes. */
async function start([command, ...args]: readonly string[]): Promise<Started> {
  const child = spawn(command ?? '', args, {
    cwd: ROOT,
    detached: true,
    env: await startEnv(directory),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const printed = (text: string) =>
    Promise.race([
      exited.then(() => undefined),
      new Promise<void>((resolve) => {
        const look = () => output.includes(text) && resolve()
        child.stdout.on('data', look)
        look()
      }),
    ])
  return { pid: child.pid ?? 0, printed, leave: () => void child.stdout.destroy(), exited }
}

/** Everything that runs now and later until the command ends. */
async function watchFamily({ pid, exited }: Started): Promise<ProcessMark[]> {
  const seen = new Map<number, ProcessMark>()
  const look = () => descendantsOf(pid).forEach((mark) => seen.set(mark.pid, mark))
  look()
  const timer = setInterval(look, 50)
  await exited
  clearInterval(timer)
  return [...seen.values()]
}

const READY = 'Ctrl-C stops everything'
const BEGINNING = 'Starting PostgreSQL'

describe('a signal leaves no process', () => {
  test.each([
    ['node', 'SIGTERM', 'group', 1, READY],
    ['node', 'SIGKILL', 'group', 1, READY],
    ['npm start', 'SIGHUP', 'group', 2, READY],
    ['node', 'SIGTERM', 'group', 2, BEGINNING],
    ['npm start', 'SIGINT', 'group', 1, BEGINNING],
    ['node', 'SIGTERM', 'process', 1, READY],
    ['node', 'SIGTERM', 'process', 2, BEGINNING],
    ['node', 'SIGINT', 'process', 1, BEGINNING],
    ['node', 'SIGINT', 'process', 2, READY],
    ['node', 'SIGHUP', 'process', 1, READY],
    ['node', 'SIGHUP', 'process', 2, BEGINNING],
    ['npm start', 'SIGTERM', 'process', 1, READY],
  ] as const)(
    '%s: %s to the %s, %d times, after "%s"',
    async (how, signal, to, times, moment) => {
      const started = await start(STARTS[how])
      await started.printed(moment)
      const family = watchFamily(started)
      for (let time = 0; time < times; time++) {
        process.kill(to === 'group' ? -started.pid : started.pid, signal)
      }
      const left = await survivors(await family, 6_000)
      for (const { pid } of left) process.kill(pid, 'SIGKILL')
      expect(left).toEqual([])
    },
    40_000,
  )
})

test('a reader of the output that leaves ends the stack in order, with every process', async () => {
  const started = await start(STARTS.node)
  await started.printed(BEGINNING)
  const family = watchFamily(started)
  started.leave()
  expect(await started.exited).toBe(0)
  const left = await survivors(await family, 6_000)
  for (const { pid } of left) process.kill(pid, 'SIGKILL')
  expect(left).toEqual([])
  expect(existsSync(join(directory, 'lock'))).toBe(false)
}, 120_000)
