import type { Context, ErrorHandler, MiddlewareHandler, NotFoundHandler } from 'hono'
import { AppError, type ErrorCode, isExpected, toAppError, toEnvelope } from '../errors.ts'
import { errorStack, type Log } from '../log/log.ts'
import type { Clock } from '../time.ts'

/** Milliseconds for which one line stands for all refusals with its code. */
const quiet = 10_000

export type ReportFailure = (c: Context, error: AppError) => void

/**
 * Logs the cause, which the client does not get, with the request id. A caller can cause any number
 * of refusals, so of expected refusals with one code only the first within 10 s is logged.
 */
export function createFailureReport(log: Log, clock: Clock): ReportFailure {
  /** At most one entry per code of the registry. */
  const logged = new Map<ErrorCode, number>()
  return (c, error) => {
    const { code, status } = error
    const expected = isExpected(error)
    if (expected) {
      if (error.cause === undefined && status < 500) return
      const time = clock.now()
      if (time - (logged.get(code) ?? -Infinity) < quiet) return
      logged.set(code, time)
    }
    log({
      level: expected ? 'info' : 'error',
      event: 'request_failed',
      request_id: c.get('requestId'),
      code,
      status,
      detail: errorStack(error.cause ?? error),
    })
  }
}

/** Answers the envelope; the cause goes to the log and nowhere else. */
export function handleError(report: ReportFailure): ErrorHandler {
  return (thrown, c) => {
    const error = toAppError(thrown)
    report(c, error)
    return c.json(toEnvelope(error), error.status, { ...error.headers })
  }
}

export const handleNotFound: NotFoundHandler = () => {
  throw new AppError('not_found')
}

/** Placed after a route's own methods, on the same path. */
export function allowOnly(...methods: string[]): MiddlewareHandler {
  return () => {
    throw new AppError('method_not_allowed', { headers: { allow: methods.join(', ') } })
  }
}
