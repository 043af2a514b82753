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
