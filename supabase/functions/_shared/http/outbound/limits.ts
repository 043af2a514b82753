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

/** For documents and token answers: small, and somebody waits for them. */
export const documentLimits: OutboundLimits = {
  head: 10_000,
  total: 15_000,
  idle: 10_000,
  bytes: 512 * 1024,
}
