/** The reason why a request to an address from data was not made or not finished. */
export type OutboundReason =
  | 'forbidden_url'
  | 'forbidden_address'
  | 'host_not_allowed'
  | 'forbidden_redirect'
  | 'too_many_redirects'
  /** There was no connection: nothing was sent. */
  | 'unreachable'
  /** The request may have arrived; what came back is no whole answer. */
  | 'broken_answer'
  | 'timeout'
  | 'too_large'
  | 'unsupported_encoding'

/**
 * A TypeError, as `fetch` throws: protocol libraries pass these on, and treat every other error as
 * an answer of the server. The message names no path, query or credential.
 */
export class OutboundError extends TypeError {
  override readonly name = 'OutboundError'
  constructor(
    readonly reason: OutboundReason,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(`${reason}: ${detail}`, options)
  }
}
