import {
  Client,
  type JsonSchemaValidator,
  StreamableHTTPClientTransport,
  type Transport,
} from '@modelcontextprotocol/client'
import { AppError } from '../../errors.ts'
import type { OutboundFetch } from '../../outbound/outbound.ts'
import { abortable, type Clock, timeLimit } from '../../time.ts'
import type { toolTimeouts } from '../tool-limits.ts'
import type { ServerEra, ToolServerKey } from '../tool-server.ts'
import type { Contact } from './contact.ts'
import type { ServerMemory } from './server-memory.ts'
import { ServerRefused } from './server-refused.ts'
import { createTransport } from './transport.ts'
import { createWire, type Wire } from './wire-fetch.ts'

/** Milliseconds; see toolTimeouts. */
export type Timeouts = Readonly<Record<keyof typeof toolTimeouts, number>>

export interface ConnectDependencies {
  readonly fetch: OutboundFetch
  /** What `fetch` learns of the server. */
  readonly contact: Contact
  readonly memory: ServerMemory
  readonly timeouts: Timeouts
  readonly clock: Clock
  /** Replaces the transport, in tests. */
  readonly transportTo?: (() => Transport) | undefined
}

/** One connection to a server. */
export interface Connection {
  readonly client: Client
  readonly wire: Pick<Wire, 'resultOf'>
  readonly era: ServerEra
  /** Ends the session at the server and the connection; how that fails changes nothing. */
  close(): Promise<void>
}

/** The library would compile each output schema, with code of its own making on some runtimes. */
const acceptsAll = {
  getValidator:
    <Value>(): JsonSchemaValidator<Value> =>
    (input) => ({ valid: true, data: input as Value, errorMessage: undefined }),
}

/**
 * Connects to a server of either revision; to one that was entered as `http` and refuses that, by the
 * older transport too, as the specification says (2025-11-25, "Backwards compatibility").
 */
export async function connect(
  deps: ConnectDependencies,
  key: ToolServerKey,
  signal: AbortSignal,
): Promise<Connection> {
  const { memory, timeouts, contact, clock } = deps
  const left = memory.pausedFor(key)
  if (left > 0) {
    const headers = { 'retry-after': String(Math.ceil(left / 1_000)) }
    throw new AppError('server_paused', { headers, cause: 'it was silent a moment ago' })
  }
  const serverTime = () => clock.now() - contact.ownTime
  const began = serverTime()
  const inTime = timeLimit(timeouts.connect, signal)
  const known = key.type === 'sse' ? 'sse' : memory.recall(key)
  try {
    const connection = await connectAs(deps, key, known, inTime)
    memory.remember(key, connection.era)
    return connection
  } catch (error) {
    if (inTime.aborted && !signal.aborted) {
      // Its own silence alone counts, not the wait for a credential.
      if (serverTime() - began >= timeouts.probe) memory.pause(key)
      else if (contact.isWaiting) throw credentialLate(error)
    }
    if (known !== undefined && key.type !== 'sse') {
      // It may have become another server since; the next time it is asked anew.
      memory.forget(key)
    }
    if (known === 'sse' || !mayBeOldTransport(error) || inTime.aborted) throw error
    const connection = await connectAs(deps, key, 'sse', inTime).catch(() => {
      throw error // What was entered is the older reason, and the truer one.
    })
    memory.remember(key, 'sse')
    return connection
  }
}

function credentialLate(cause: unknown): AppError {
  return new AppError('connection_busy', { cause })
}

function mayBeOldTransport(error: unknown): boolean {
  return error instanceof ServerRefused && [400, 404, 405, 406, 415].includes(error.status)
}

async function connectAs(
  { fetch, timeouts, clock, transportTo }: ConnectDependencies,
  key: ToolServerKey,
  known: ServerEra | undefined,
  signal: AbortSignal,
): Promise<Connection> {
  const type = known === 'sse' ? 'sse' : 'http'
  const wire = createWire(fetch, { type, probe: timeouts.probe, clock })
  const transport = transportTo?.() ?? createTransport({ ...key, type }, wire.fetch)
  const isOld = known === 'older' || known === 'sse'
  const client = new Client(
    { name: 'colloquy', version: '1' },
    {
      // No roots, no sampling: a server gets nothing of ours but arguments and a person's answers. The
      // wire leaves this out of `initialize`, because an older server asks while it holds the call open.
      capabilities: { elicitation: { form: {}, url: {} } },
      versionNegotiation: isOld
        ? { mode: 'legacy' }
        : { mode: 'auto', probe: { timeoutMs: timeouts.connect } },
      inputRequired: { autoFulfill: false },
      jsonSchemaValidator: acceptsAll,
    },
  )
  try {
    // The library counts from its first message, and over SSE that one waits for a stream.
    await abortable(client.connect(transport, { signal, timeout: timeouts.connect }), signal)
  } catch (error) {
    await quietly(() => transport.close())
    throw error
  }
  const era = type === 'sse' ? 'sse' : client.getProtocolEra() === 'modern' ? 'modern' : 'older'
  return {
    client,
    wire,
    era,
    async close() {
      await quietly(() => endSession(transport, timeouts.end))
      await quietly(() => client.close())
    },
  }
}

/** 2025-11-25, "Session management": a client that leaves says so. */
async function endSession(transport: Transport, patience: number): Promise<void> {
  if (!(transport instanceof StreamableHTTPClientTransport)) return
  if (transport.sessionId === undefined) return
  await abortable(transport.terminateSession(), timeLimit(patience))
}

/**
 * Closes a connection that is not needed any more; a failure changes neither a listing nor the
 * outcome of a call.
 */
async function quietly(end: () => Promise<void>): Promise<void> {
  try {
    await end()
  } catch {
    // The connection is given up either way, and its deadline ends what is left of it.
  }
}
