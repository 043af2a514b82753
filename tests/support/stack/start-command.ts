import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { findFreePort } from '../../../dev/process/free-port.ts'

export interface StartCommand {
  child: ChildProcess
  /** Everything printed so far. */
  output(): string
  errors(): string
  /** Resolves with the exit code, null when a signal ended the process. */
  exited: Promise<number | null>
  /** Resolves once the output contains the text; rejects when the process ends before. */
  printed(text: string): Promise<void>
}

type Env = Record<string, string>

/** What a stack of a test's own needs of the test's environment. */
export async function startEnv(directory: string): Promise<Env> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '',
    COLLOQUY_DIRECTORY: directory,
    COLLOQUY_DURABLE: 'false',
    PORT: String(await findFreePort()),
  }
}

/** Runs what `npm start` runs, with a state directory of its own that is not durable. */
export function runStart(directory: string, env: Env = {}): Promise<StartCommand> {
  return run('../../../dev/start.ts', directory, env)
}

/** Runs what `npm run db:reset` runs. */
export function runReset(directory: string, env: Env = {}): Promise<StartCommand> {
  return run('../../../dev/reset.ts', directory, env)
}

async function run(file: string, directory: string, env: Env): Promise<StartCommand> {
  const script = fileURLToPath(new URL(file, import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', script], {
    env: { ...(await startEnv(directory)), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const printed = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (output.includes(text)) resolve()
      }
      child.stdout.on('data', look)
      child.once('close', () => reject(new Error(`ended without "${text}":\n${output}${errors}`)))
      look()
    })
  return { child, output: () => output, errors: () => errors, exited, printed }
}
