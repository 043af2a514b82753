import type { Context, ErrorHandler, MiddlewareHandler, NotFoundHandler } from 'hono'
import { AppError, toAppError, toEnvelope } from '../errors.ts'
import { describe, type Log } from './log.ts'

/** Logs what a client is not told: the cause, with the request id. */
export function reportFailure(log: Log, c: Context, error: AppError): void {
  if (error.status < 500 && error.cause === undefined) return
  log({
    level: error.status >= 500 ? 'error' : 'info',
    event: 'request_failed',
    request_id: c.get('requestId'),
    code: error.code,
    status: error.status,
    detail: describe(error.cause ?? error),
  })
}

/** Answers the envelope; the cause goes to the log and nowhere else. */
export function handleError(log: Log): ErrorHandler {
  return (thrown, c) => {
    const error = toAppError(thrown)
    reportFailure(log, c, error)
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
