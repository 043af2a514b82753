import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { createMiddleware } from 'hono/factory'
import { AppError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import type { Clock } from '../time.ts'
import { allowOnly, createFailureReport, handleError, handleNotFound } from './handle-error.ts'

/**
 * The parts of every function: its name as base path, as on the platform, request ids, headers, the
 * error envelope, and `GET /<name>/health`, which only says that the function runs.
 */
export function createFunctionApp(name: string, log: Log, clock: Clock): Hono {
  const app = new Hono({ strict: false }).basePath(`/${name}`)
  app.use(requestId, securityHeaders, crossOrigin, refuseKeysInAddress)
  app.onError(handleError(createFailureReport(log, clock)))
  app.notFound(handleNotFound)
  app.get('/health', (c) => c.json({ status: 'ok' }))
  app.all('/health', allowOnly('GET', 'HEAD'))
  return app
}

declare module 'hono' {
  interface ContextVariableMap {
    requestId: string
  }
}

// A foreign id is only repeated when it cannot break a log line or a header.
const wellFormed = /^[\w.-]{8,64}$/

/** Names the request in `x-request-id`: the caller's id when it is well-formed, else a new one. */
export const requestId = createMiddleware(async (c, next) => {
  const given = c.req.header('x-request-id')
  const id = given !== undefined && wellFormed.test(given) ? given : crypto.randomUUID()
  c.set('requestId', id)
  await next()
  c.res.headers.set('x-request-id', id)
})

/**
 * Any origin may call, as on the platform. The credential is a header and never a cookie, so a page
 * of another site has no credential to send. Requested headers are allowed, because client
 * libraries add their own (tracing, client info) with every release.
 */
export const crossOrigin = cors({
  origin: '*',
  allowMethods: ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'],
  exposeHeaders: [
    'retry-after',
    'www-authenticate',
    'x-execution-id',
    'x-request-id',
    'x-should-retry',
    'x-vercel-ai-ui-message-stream',
  ],
  maxAge: 86_400,
})

/** Addresses are written down by browsers and proxies: a key in one is known to others already. */
export const refuseKeysInAddress = createMiddleware(async (c, next) => {
  if (/clq(?:_|%5f)[\w-]{43}/i.test(new URL(c.req.url).search)) {
    const message = 'An API key stands in the address. Revoke it; a key belongs into the header.'
    throw new AppError('invalid_request', { message })
  }
  await next()
})

/** Answers are data: never sniffed, framed, rendered or cached. */
export const securityHeaders = createMiddleware(async (c, next) => {
  await next()
  const { headers } = c.res
  headers.set('content-security-policy', "default-src 'none'; frame-ancestors 'none'; sandbox")
  headers.set('referrer-policy', 'no-referrer')
  headers.set('x-content-type-options', 'nosniff')
  if (!headers.has('cache-control')) headers.set('cache-control', 'no-store')
})
