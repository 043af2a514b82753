/** An MCP server refused a request with an HTTP status, without an answer in the protocol. */
export class ServerRefused extends Error {
  override readonly name = 'ServerRefused'
  constructor(
    readonly status: number,
    /** The beginning of the body, as text; foreign. */
    readonly body: string,
    /** Milliseconds after which the server wants to be asked again; null when it does not say. */
    readonly retryAfter: number | null,
    /** The server does not know the session any more, so nothing was carried out. */
    readonly sessionIsOver: boolean,
  ) {
    super(`status ${status}`)
  }
}
