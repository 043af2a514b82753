import { redact } from './redact.ts'

/** One line of the log. `detail` is redacted text, never a request or response body. */
export interface LogEntry {
  readonly level: 'info' | 'warn' | 'error'
  readonly event: string
  readonly request_id?: string
  readonly execution_id?: string
  readonly code?: string
  readonly status?: number
  readonly detail?: string
}

export type Log = (entry: LogEntry) => void

/** Writes each entry as one JSON line, to a console or another writer of lines. */
export function createLog(write: (line: string) => void): Log {
  return (entry) => write(JSON.stringify(entry))
}

/** Takes the problem of a variable: the text names the variable, never its value. */
export type ReportProblem = (problem: string) => void

/** Logs a variable that cannot be used, once, when the function starts. */
export function createProblemReport(log: Log): ReportProblem {
  return (detail) => log({ level: 'error', event: 'variable_unusable', detail })
}

/**
 * Logs an error that no code handles, and keeps the worker alive: Deno would end the process and
 * with it the streams of all other requests. Each such line is a defect.
 */
export function logDefects(target: Pick<EventTarget, 'addEventListener'>, log: Log): void {
  const report = (event: Event, thrown: unknown) => {
    event.preventDefault()
    log({ level: 'error', event: 'unhandled_error', detail: errorStack(thrown) })
  }
  target.addEventListener('unhandledrejection', (event) =>
    report(event, (event as PromiseRejectionEvent).reason),
  )
  target.addEventListener('error', (event) => report(event, (event as ErrorEvent).error))
}

/** An error and its chain of causes as one redacted text of bounded length. */
export function errorStack(error: unknown): string {
  const chain: string[] = []
  let current = error
  for (let depth = 0; depth < 5 && current !== undefined && current !== null; depth += 1) {
    chain.push(textOf(current))
    current = current instanceof Error ? current.cause : undefined
  }
  return redact(chain.join('\ncaused by '))
}

function textOf(value: unknown): string {
  if (value instanceof Error) return value.stack ?? `${value.name}: ${value.message}`
  if (typeof value === 'string') return value
  return JSON.stringify(value) ?? typeof value
}
