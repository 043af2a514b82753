import { toAppError } from '../errors.ts'
import { errorStack, type Log } from '../log/log.ts'

/** Keeps the worker alive until the work is done, whether or not its client waits. */
export type WaitUntil = (work: Promise<unknown>) => void

// The platform's way to keep a worker for unfinished work; a plain Deno process just lives on.
declare const EdgeRuntime: { waitUntil: WaitUntil } | undefined

/**
 * Makes the only function for work that no request awaits. It logs rejections: an unhandled
 * rejection ends a Deno process with the streams of all other requests.
 */
export function createWaitUntil(
  log: Log,
  platform = typeof EdgeRuntime === 'undefined' ? undefined : EdgeRuntime,
): WaitUntil {
  return (work) => {
    const settled = work.catch((thrown: unknown) => {
      const error = toAppError(thrown)
      const { code, status, cause = error } = error
      const level = status >= 500 ? 'error' : 'info'
      log({ level, event: 'background_work_failed', code, detail: errorStack(cause) })
    })
    platform?.waitUntil(settled)
  }
}
