import type { RawStep } from './raw-provider.ts'

/** The head of an answer; `connection: close` by default because every script ends its socket. */
export function head(status: number, headers: Record<string, string> = {}): string {
  const lines = Object.entries({ connection: 'close', ...headers })
  return `HTTP/1.1 ${status} Scripted\r\n${lines.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`
}

/** A whole answer with a JSON body. */
export function json(status: number, body: unknown, headers: Record<string, string> = {}): string {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const length = String(Buffer.byteLength(text))
  const all = { 'content-type': 'application/json', 'content-length': length, ...headers }
  return head(status, all) + text
}

/** How the end of a body is told: by the close of the socket, or by a last chunk. */
export type Framing = 'close' | 'chunked'

export interface StreamOptions {
  framing?: Framing
  /** Sends only so many bytes of the body, then hangs up. */
  cutAt?: number
  headers?: Record<string, string>
}

/** The steps that send an event stream, one write per piece. */
export function eventStream(
  pieces: readonly (string | Uint8Array)[],
  { framing = 'chunked', cutAt = Infinity, headers = {} }: StreamOptions = {},
): RawStep[] {
  const chunked: Record<string, string> =
    framing === 'chunked' ? { 'transfer-encoding': 'chunked' } : {}
  // With `connection: close` Node's fetch takes a missing last chunk for an orderly end.
  if (framing === 'chunked' && cutAt < Infinity) chunked['connection'] = 'keep-alive'
  const steps: RawStep[] = [
    head(200, { 'content-type': 'text/event-stream', ...chunked, ...headers }),
  ]
  let left = cutAt
  for (const piece of pieces) {
    const bytes = Buffer.from(piece as Uint8Array).subarray(0, left)
    left -= bytes.length
    if (bytes.length > 0) steps.push(framing === 'chunked' ? chunk(bytes) : bytes)
  }
  if (framing === 'chunked' && left > 0) steps.push(chunk(Buffer.alloc(0)))
  return steps
}

/** One chunk of HTTP's chunked transfer coding (RFC 9112 §7.1); an empty one is the last. */
export function chunk(bytes: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`${bytes.length.toString(16)}\r\n`),
    bytes,
    Buffer.from('\r\n'),
  ])
}
