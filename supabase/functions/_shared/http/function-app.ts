import { Hono } from 'hono'
import { allowOnly, createFailureReport, handleError, handleNotFound } from './handle-error.ts'
import { crossOrigin, securityHeaders } from './headers.ts'
import type { Log } from './log.ts'
import { requestId } from './request-id.ts'

/**
 * What every function has: its name as base path, as on the platform, request ids, headers, the
 * error envelope, and `GET /<name>/health`, which says that the function runs and nothing more.
 */
export function createFunctionApp(name: string, log: Log, now: () => number): Hono {
  const app = new Hono({ strict: false }).basePath(`/${name}`)
  app.use(requestId, securityHeaders, crossOrigin)
  app.onError(handleError(createFailureReport(log, now)))
  app.notFound(handleNotFound)
  app.get('/health', (c) => c.json({ status: 'ok' }))
  app.all('/health', allowOnly('GET', 'HEAD'))
  return app
}
