import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { growingPause } from '../process/growing-pause.ts'
import { firstLine, StartError } from '../process/start-error.ts'
import { startTiedProcess, stopProcess } from '../process/tied-process.ts'
import { findDeno } from './deno-binary.ts'

export interface FunctionProcess {
  /** Resolves when the function answers for the first time, or waits for a correction (watch). */
  ready: Promise<void>
  address(): string | undefined
  /** Of the running process; undefined before the first one. */
  pid(): number | undefined
  close(): Promise<void>
}

interface FunctionProcessOptions {
  name: string
  directory: string
  env: Record<string, string>
  watch: boolean
  log: (line: string) => void
}

type Start = typeof startTiedProcess

/** Compiled modules are kept here, so that every start but the first after a change is fast. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/deno', import.meta.url))
/** Deno takes no notice of SIGTERM while it watches files (2.9.6). */
const STOP = 'SIGINT'
const READY_TIMEOUT_MS = 30_000

/**
 * Serves one function under Deno with the least permissions: network, the named variables (any
 * other reads as undefined, as an unset one does), no files, no programs. Started again, with
 * growing delays, when it ends or cannot be started.
 * @param start starts the process that it is given; a test passes one that fails
 */
export function startFunction(
  options: FunctionProcessOptions,
  start: Start = startTiedProcess,
): FunctionProcess {
  const { name, log } = options
  let child: ChildProcess | undefined
  let address: string | undefined
  let closing = false
  const pause = growingPause()
  let timer: NodeJS.Timeout | undefined

  const ready = new Promise<void>((resolve, reject) => {
    const run = () => {
      const startedAt = Date.now()
      let lastError = 'no reason given'
      const ended = (reason: string) => {
        address = undefined
        if (closing) return
        reject(new StartError(`The function ${name} did not start: ${lastError}`))
        timer = setTimeout(
          () => {
            log(`${name}: ended (${reason}) and is started again.`)
            run()
          },
          pause(Date.now() - startedAt),
        )
      }
      const onLine = (line: string) => {
        const listening = /Listening on (http:\/\/[\d.]+:\d+)/.exec(line)?.[1]
        if (listening !== undefined) {
          address = listening
          resolve()
          return
        }
        // Not the line of source that Deno shows below it.
        if (/^(error|Uncaught|\w*Error)\b/.test(line)) lastError = line
        if (line.includes('Restarting on file change')) resolve()
        if (!line.startsWith('Watcher ') && line !== '') log(`${name}: ${line}`)
      }
      // Without memory, processes or files the system starts nothing: thrown, or told as `error`.
      const failed = (error: unknown) => {
        lastError = firstLine(error)
        ended(lastError)
      }
      try {
        child = spawn(options, start, onLine)
      } catch (error) {
        failed(error)
        return
      }
      const { pid } = child
      // An error of a running process is a signal that did not reach it.
      child.on('error', (error) => {
        if (pid === undefined) failed(error)
        else log(`${name}: ${firstLine(error)}`)
      })
      child.once('exit', (code) => ended(`exit code ${code}`))
    }
    run()
    const late = new StartError(
      `The function ${name} did not answer within ${READY_TIMEOUT_MS / 1000} s.`,
    )
    setTimeout(() => reject(late), READY_TIMEOUT_MS).unref()
  })

  return {
    ready,
    address: () => address,
    pid: () => child?.pid,
    async close() {
      closing = true
      clearTimeout(timer)
      if (child !== undefined) await stopProcess(child, STOP, 2_000)
    },
  }
}

function spawn(
  options: FunctionProcessOptions,
  start: Start,
  onLine: (line: string) => void,
): ChildProcess {
  const folder = join(options.directory, options.name)
  const config = join(folder, 'deno.json')
  const args = [
    'serve',
    '--no-prompt',
    '--no-lock',
    '--no-remote',
    // Not in deno.json: a deployment resolves the same map without an installed node_modules.
    '--node-modules-dir=manual',
    ...(existsSync(config) ? ['--config', config] : ['--no-config']),
    '--host=127.0.0.1',
    '--port=0',
    '--allow-net',
    `--allow-env=${Object.keys(options.env).join(',')}`,
    '--ignore-env',
    ...(options.watch ? ['--watch', '--no-clear-screen'] : []),
    join(folder, 'index.ts'),
  ]
  const child = start(findDeno(), args, {
    env: { ...options.env, DENO_DIR: CACHE, DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' },
    cwd: folder,
    signal: STOP,
  })
  // A process that could not be started for want of files has no streams, whatever the type says.
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) forEachLine(stream, onLine)
  }
  return child
}

function forEachLine(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    lines.forEach(onLine)
  })
  stream.on('end', () => {
    if (rest !== '') onLine(rest)
  })
}
