import { OutboundError } from './error.ts'

/** Caps of one request, redirects included. Times in milliseconds, sizes in bytes. */
export interface OutboundLimits {
  /** Until the head of the answer. */
  readonly head: number
  /** Until the end of the body. */
  readonly total: number
  /** Between two chunks of the body. */
  readonly idle: number
  /** Body as it is received and as it is decompressed, each. */
  readonly bytes: number
}

/** For documents and token answers: small, and a person waits for them. */
export const documentLimits: OutboundLimits = {
  head: 10_000,
  total: 15_000,
  idle: 10_000,
  bytes: 512 * 1024,
}

/**
 * Passes a body on and counts it, before and after decompression: a few kilobytes of gzip can hold
 * gigabytes, and `content-length` is only a claim.
 * @throws OutboundError `unsupported_encoding` for an encoding nobody asked for
 */
export function limitBody(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  encoding: string | null,
  limit: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const received = body.pipeThrough(countBytes(limit))
  const name = (encoding ?? 'identity').trim().toLowerCase()
  if (name === 'identity' || name === '') return received
  if (name !== 'gzip' && name !== 'x-gzip' && name !== 'deflate') {
    throw new OutboundError('unsupported_encoding', 'the answer is compressed in an unknown way')
  }
  const format = name === 'deflate' ? 'deflate' : 'gzip'
  return received.pipeThrough(new DecompressionStream(format)).pipeThrough(countBytes(limit))
}

function countBytes(
  limit: number,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let size = 0
  return new TransformStream({
    transform(chunk, controller) {
      size += chunk.byteLength
      if (size > limit) throw new OutboundError('too_large', `more than ${limit} bytes`)
      controller.enqueue(chunk)
    },
  })
}
