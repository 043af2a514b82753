import { createMiddleware } from 'hono/factory'

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
