import type { ServerResponse } from 'node:http'

/** Answers with the project's error envelope, readable from any origin. */
export function sendError(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
): void {
  // Half of an answer cannot be turned into an error: cut it, so that the client sees it is broken.
  if (response.headersSent) {
    response.destroy()
    return
  }
  response.writeHead(status, {
    'content-type': 'application/json',
    'access-control-allow-origin': '*',
    connection: 'close',
  })
  response.end(JSON.stringify({ error: { code, message } }))
}

/** Largest request body, in bytes, as PostgREST behind the platform's gateway takes. */
export const MAX_BODY_BYTES = 10 * 1024 * 1024
