import type { ErrorHandler, MiddlewareHandler, NotFoundHandler } from 'hono'
import { AppError, toAppError, toEnvelope } from '../errors.ts'
import { describe, type Log } from './log.ts'

/** Answers the envelope; the cause goes to the log with the request id and nowhere else. */
export function handleError(log: Log): ErrorHandler {
  return (thrown, c) => {
    const error = toAppError(thrown)
    if (error.status >= 500 || error.cause !== undefined) {
      log({
        level: error.status >= 500 ? 'error' : 'info',
        event: 'request_failed',
        request_id: c.get('requestId'),
        code: error.code,
        status: error.status,
        detail: describe(error.cause ?? error),
      })
    }
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
