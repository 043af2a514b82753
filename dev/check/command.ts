import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The repository's root, where every tool runs. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

export interface CommandOptions {
  cwd?: string
  /** Added to the environment of this process. */
  env?: Record<string, string>
  uid?: number
  gid?: number
}

export interface CommandResult {
  code: number
  stdout: string
  stderr: string
}

/**
 * Runs a program without a shell and without stdin and collects what it prints.
 * Rejects only when the program cannot be started; an exit code other than 0 is a result.
 */
export function runCommand(
  program: string,
  args: readonly string[],
  { env = {}, ...options }: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: root,
      ...options,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
    child.once('error', reject)
    child.once('close', (code, signal) => {
      resolve({
        code: code ?? 1,
        stdout,
        stderr: signal === null ? stderr : `${stderr}\n${signal}`,
      })
    })
  })
}

/** Runs the program of an installed package, such as `tsc`. */
export function runTool(
  name: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return runCommand(
    fileURLToPath(new URL(`../../node_modules/.bin/${name}`, import.meta.url)),
    args,
    {
      ...options,
    },
  )
}
