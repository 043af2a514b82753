import type { JWTPayload } from 'jose'
import * as z from 'zod'
import type { WebSocket } from 'ws'
import { type Frame, type FrameVersion, readFrame, writeFrame } from './realtime-frames.ts'
import { ChannelRefused } from './realtime-rights.ts'

/** Channels of one connection, as many as the platform allows by default. */
const maxChannels = 100
/** Messages of a client that wait for an answer, and bytes that wait for a client: more ends it. */
const maxWaiting = 200
const maxUnread = 1024 * 1024
const prefix = 'realtime:'

/** A message that the database sent. */
export interface Broadcast {
  readonly id: string
  readonly topic: string
  readonly event: string
  readonly payload: unknown
}

export interface SocketOptions {
  readonly version: FrameVersion
  /** @throws ChannelRefused */
  readonly authorize: (topic: string, token: unknown) => Promise<JWTPayload>
  readonly log: (line: string) => void
}

interface Channel {
  readonly joinRef: string | null
  readonly expiry: NodeJS.Timeout | undefined
}

const joining = z.object({
  config: z.object({
    private: z.boolean().optional(),
    postgres_changes: z.array(z.unknown()).optional(),
  }),
  access_token: z.unknown(),
})

/** One client: the private channels that it joined, and what it hears on them. */
export class RealtimeSocket {
  readonly #socket: WebSocket
  readonly #options: SocketOptions
  readonly #channels = new Map<string, Channel>()
  #turn: Promise<void> = Promise.resolve()
  /** Messages that are not answered yet. */
  #waiting = 0

  constructor(socket: WebSocket, options: SocketOptions) {
    this.#socket = socket
    this.#options = options
    socket.on('message', (data: Buffer, isBinary) => {
      if (++this.#waiting > maxWaiting) return socket.terminate()
      // One after the other: a client leaves and joins a channel without a wait between.
      const frame = isBinary ? null : readFrame(data.toString('utf8'), options.version)
      this.#turn = this.#turn
        .then(() => this.#receive(frame))
        .catch((error: unknown) => options.log(`realtime: ${String(error)}`))
        .finally(() => this.#waiting--)
    })
    socket.on('error', () => socket.terminate())
    socket.on('close', () => {
      for (const topic of this.#channels.keys()) this.#forget(topic)
    })
  }

  send(message: Broadcast): void {
    const topic = prefix + message.topic
    const channel = this.#channels.get(topic)
    if (channel === undefined) return
    const { event, payload, id } = message
    this.#write(topic, 'broadcast', { type: 'broadcast', event, payload, meta: { id } })
  }

  close(): void {
    this.#socket.close(1001, 'The local stack stops.')
    this.#socket.terminate()
  }

  async #receive(frame: Frame | null): Promise<void> {
    if (frame === null) return this.#socket.close(1003, 'This is no message of the protocol.')
    if (frame.topic === 'phoenix') return this.#reply(frame, 'ok', {})
    switch (frame.event) {
      case 'phx_join':
        return this.#answering(frame, () => this.#join(frame))
      case 'phx_leave':
        this.#reply(frame, 'ok', {})
        return this.#closeChannel(frame.topic)
      case 'access_token':
        return this.#renew(frame)
      default:
        return this.#reply(frame, 'error', {
          reason: 'Unauthorized: No policy lets a client send. Write the rows; the database tells.',
        })
    }
  }

  async #answering(frame: Frame, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (error instanceof ChannelRefused) {
        return this.#reply(frame, 'error', { reason: error.message })
      }
      // The client joins again after a pause.
      this.#reply(frame, 'error', { reason: 'DatabaseConnectionIssue: The database is away' })
      throw error
    }
  }

  async #join(frame: Frame): Promise<void> {
    const { data } = joining.safeParse(frame.payload)
    if (data === undefined || !frame.topic.startsWith(prefix)) {
      throw new ChannelRefused('InvalidJoinPayload: The channel or its config cannot be read')
    }
    if (data.config.private !== true) {
      throw new ChannelRefused('PrivateOnly: This project only allows private channels')
    }
    if ((data.config.postgres_changes ?? []).length > 0) {
      throw new ChannelRefused('RealtimeDisabledForTables: No table is published. Use broadcast.')
    }
    if (this.#channels.size >= maxChannels && !this.#channels.has(frame.topic)) {
      throw new ChannelRefused('ChannelRateLimitReached: Too many channels')
    }
    await this.#admit(frame.topic, frame.joinRef, data.access_token)
    this.#reply(frame, 'ok', { postgres_changes: [] })
  }

  async #admit(topic: string, joinRef: string | null, token: unknown): Promise<void> {
    const claims = await this.#options.authorize(topic.slice(prefix.length), token)
    this.#forget(topic)
    const left = claims.exp === undefined ? undefined : claims.exp * 1000 - Date.now()
    // A client that left while the database was asked hears nothing.
    if (this.#socket.readyState !== this.#socket.OPEN) return
    const expiry =
      left === undefined
        ? undefined
        : setTimeout(() => this.#end(topic, 'Token has expired'), Math.min(left, 2 ** 31 - 1))
    this.#channels.set(topic, { joinRef, expiry })
  }

  /** A fresh token asks the policies again. */
  async #renew(frame: Frame): Promise<void> {
    const channel = this.#channels.get(frame.topic)
    if (channel === undefined) return
    // The old token may end while the policies are asked about the new one.
    clearTimeout(channel.expiry)
    try {
      await this.#admit(frame.topic, channel.joinRef, frame.payload.access_token)
    } catch (error) {
      const isRefusal = error instanceof ChannelRefused
      this.#end(frame.topic, isRefusal ? error.message : 'The database is away')
      if (!isRefusal) throw error
    }
  }

  #end(topic: string, message: string): void {
    this.#write(topic, 'system', {
      extension: 'system',
      status: 'error',
      message,
      channel: topic.slice(prefix.length),
    })
    this.#closeChannel(topic)
  }

  #closeChannel(topic: string): void {
    this.#write(topic, 'phx_close', {})
    this.#forget(topic)
  }

  #forget(topic: string): void {
    clearTimeout(this.#channels.get(topic)?.expiry)
    this.#channels.delete(topic)
  }

  #reply({ joinRef, ref, topic }: Frame, status: 'ok' | 'error', response: object): void {
    this.#put({ joinRef, ref, topic, event: 'phx_reply', payload: { status, response } })
  }

  #write(topic: string, event: string, payload: Frame['payload']): void {
    const joinRef = this.#channels.get(topic)?.joinRef ?? null
    this.#put({ joinRef, ref: null, topic, event, payload })
  }

  #put(frame: Frame): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    if (this.#socket.bufferedAmount > maxUnread) return this.#socket.terminate()
    this.#socket.send(writeFrame(frame, this.#options.version))
  }
}
