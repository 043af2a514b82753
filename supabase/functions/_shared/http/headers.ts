import { createMiddleware } from 'hono/factory'
import { cors } from 'hono/cors'

/**
 * Any origin may call, as on the platform: the credential is a header and never a cookie, so
 * another site's page holds nothing it could send. Requested headers are allowed as asked, since
 * client libraries add their own (tracing, client info) with every release.
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

/** Answers are data: never sniffed, framed, rendered or cached. */
export const securityHeaders = createMiddleware(async (c, next) => {
  await next()
  const { headers } = c.res
  headers.set('content-security-policy', "default-src 'none'; frame-ancestors 'none'")
  headers.set('referrer-policy', 'no-referrer')
  headers.set('x-content-type-options', 'nosniff')
  if (!headers.has('cache-control')) headers.set('cache-control', 'no-store')
})
