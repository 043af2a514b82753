/** The part of Deno's API for connections that is used here. */
export interface Runtime {
  connect(options: { hostname: string; port: number }): Promise<RawConnection>
  connectTls(options: {
    hostname: string
    port: number
    alpnProtocols: string[]
  }): Promise<RawConnection>
}

export interface RawConnection {
  read(buffer: Uint8Array): Promise<number | null>
  write(bytes: Uint8Array): Promise<number>
  close(): void
  ref?(): void
  unref?(): void
}

/** Deno's own connections; undefined under Node. */
export const denoRuntime = (globalThis as { Deno?: Runtime }).Deno

const bufferBytes = 64 * 1024

/**
 * A connection that reads only when it is asked to, and then takes all that came: the socket of
 * `node:net` and the body of `fetch` wake the process for each piece.
 */
export class Connection implements AsyncIterable<Uint8Array> {
  readonly #raw: RawConnection
  readonly #buffer = new Uint8Array(bufferBytes)
  /** The read that began while the connection was idle: the first of the next answer. */
  #early: Promise<number | null> | null = null
  #isIdle = false
  #isClosed = false
  #isAnswered = false

  constructor(raw: RawConnection) {
    this.#raw = raw
  }

  /** Opens a connection, TLS for https. */
  static async open(runtime: Runtime, { hostname, port, protocol }: URL): Promise<Connection> {
    const host = hostname.replace(/^\[|\]$/g, '')
    const raw = await (protocol === 'https:'
      ? runtime.connectTls({
          hostname: host,
          port: Number(port) || 443,
          alpnProtocols: ['http/1.1'],
        })
      : runtime.connect({ hostname: host, port: Number(port) || 80 }))
    return new Connection(raw)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Whether anything came since the last request. */
  get isAnswered(): boolean {
    return this.#isAnswered
  }

  /** Sends a request, on an idle connection too. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#isIdle) this.#raw.ref?.()
    this.#isIdle = false
    this.#isAnswered = false
    for (let rest = bytes; rest.length > 0;) {
      rest = rest.subarray(await this.#raw.write(rest))
    }
  }

  /** What came since the last read, valid until the next one. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, undefined> {
    for (;;) {
      const length = await (this.#early ?? this.#raw.read(this.#buffer))
      this.#early = null
      if (length === null) return
      this.#isAnswered = true
      yield this.#buffer.subarray(0, length)
    }
  }

  /**
   * Keeps the connection for a later request. One that the server closes meanwhile, or on which it
   * speaks without being asked, is closed.
   */
  rest(): void {
    this.#isIdle = true
    this.#raw.unref?.()
    const early = this.#raw.read(this.#buffer)
    this.#early = early
    const end = () => {
      if (this.#isIdle) this.close()
    }
    early.then(end, end)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#raw.close()
  }
}
