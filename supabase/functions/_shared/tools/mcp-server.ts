import { Client, type JsonSchemaValidator, type Transport } from '@modelcontextprotocol/client'
import { findMismatch } from '../json-schema/find-mismatch.ts'
import type { OutboundFetch } from '../outbound/outbound.ts'
import { abortable } from '../time.ts'
import { checkableSchema } from './checkable-schema.ts'
import { createTransport } from './mcp-transport.ts'
import { readDefinition } from './read-definition.ts'
import { callFailure, connectFailure, notMade } from './tool-failure.ts'
import {
  defaultListingTtl,
  maxListingPages,
  maxListingTtl,
  maxTools,
  toolTimeouts,
} from './tool-limits.ts'
import { readResult, textResult, unknown } from './tool-result.ts'
import type {
  ServerListing,
  ToolDefinition,
  ToolOutcome,
  ToolServer,
  ToolServerKey,
} from './tool-server.ts'
import { notMadeText } from './tool-texts.ts'

/** The library would compile each output schema, with code of its own making on some runtimes. */
const acceptsAll = {
  getValidator:
    <Value>(): JsonSchemaValidator<Value> =>
    (input) => ({ valid: true, data: input as Value, errorMessage: undefined }),
}

/** Milliseconds for connecting, for a listing, and for one call. */
export type Timeouts = Readonly<Record<keyof typeof toolTimeouts, number>>

/** One MCP server over streamable HTTP or SSE, in both revisions of the protocol. */
export function openMcpServer(
  key: ToolServerKey,
  fetch: OutboundFetch,
  timeouts: Timeouts = toolTimeouts,
  transportTo = () => createTransport(key, fetch),
): ToolServer {
  let connected: Promise<Client> | null = null
  // Over SSE one stream brings all answers and ends when a request has to: each use has its own.
  const isShared = key.type !== 'sse'
  const connect = (signal: AbortSignal) => {
    const options = { signal, timeout: timeouts.connect }
    if (!isShared) return connectTo(transportTo(), options)
    return (connected ??= connectTo(transportTo(), options))
  }
  const leave = async (client: Client) => {
    if (!isShared) await closeQuietly(client)
  }
  return {
    async list(signal) {
      const timeout = timeouts.list
      try {
        const client = await connect(signal)
        const inTime = AbortSignal.any([signal, AbortSignal.timeout(timeout)])
        const listing = list(client, { signal: inTime, timeout })
        return await listing.finally(() => leave(client))
      } catch (error) {
        throw connectFailure(error)
      }
    },
    async call(definition, args, signal) {
      let client: Client
      try {
        client = await connect(signal)
      } catch (error) {
        // The next call may try again.
        connected = null
        return signal.aborted ? cancelled : notMade(error)
      }
      const options = { signal, timeout: timeouts.call }
      const outcome = signal.aborted ? cancelled : await call(client, definition, args, options)
      await leave(client)
      return outcome
    },
    async close() {
      const client = await connected?.catch(() => {
        // Whoever asked for the connection was told; there is nothing to close.
      })
      if (client) await closeQuietly(client)
    },
  }
}

/** Closes what is of no more use: how that fails changes neither a listing nor the outcome of a call. */
async function closeQuietly(connection: Pick<Client, 'close'>): Promise<void> {
  try {
    await connection.close()
  } catch {
    // The connection is given up either way, and its deadline ends what is left of it.
  }
}

const cancelled: ToolOutcome = {
  status: 'error',
  error_code: 'execution_cancelled',
  result: textResult(notMadeText()),
}

interface RequestOptions {
  readonly signal: AbortSignal
  readonly timeout: number
}

async function connectTo(transport: Transport, options: RequestOptions): Promise<Client> {
  const client = new Client(
    { name: 'colloquy', version: '1' },
    {
      // No roots, no sampling, no elicitation: a server gets nothing of ours but arguments.
      capabilities: {},
      versionNegotiation: { mode: 'auto', probe: { timeoutMs: options.timeout } },
      inputRequired: { autoFulfill: false },
      jsonSchemaValidator: acceptsAll,
      listMaxPages: maxListingPages,
    },
  )
  const inTime = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeout)])
  try {
    // The library counts from its first message, and over SSE that one waits for a stream.
    await abortable(client.connect(transport, options), inTime)
  } catch (error) {
    await closeQuietly(transport)
    throw error
  }
  return client
}

async function list(client: Client, options: RequestOptions): Promise<ServerListing> {
  if (client.getServerCapabilities()?.tools === undefined) {
    return { tools: [], refused: [], ttl: defaultListingTtl }
  }
  const listed = await client.listTools(undefined, { ...options, cacheMode: 'bypass' })
  const tools = new Map<string, ToolDefinition>()
  const refused: string[] = []
  for (const tool of listed.tools) {
    const definition = readDefinition(tool)
    if (definition !== null && !tools.has(definition.name) && tools.size < maxTools) {
      tools.set(definition.name, definition)
    } else if (refused.length < maxTools) refused.push(tool.name.slice(0, 256))
  }
  const said = (listed as { ttlMs?: unknown }).ttlMs
  const ttl = typeof said === 'number' && said >= 0 ? Math.floor(said / 1_000) : defaultListingTtl
  return { tools: [...tools.values()], refused, ttl: Math.min(ttl, maxListingTtl) }
}

async function call(
  client: Client,
  { name, input_schema, output_schema }: ToolDefinition,
  args: Readonly<Record<string, unknown>>,
  options: RequestOptions,
): Promise<ToolOutcome> {
  try {
    const answer = await client.callTool(
      { name, arguments: args },
      {
        ...options,
        // Without the output schema: the library would take a mismatch for a failed call.
        toolDefinition: { name, inputSchema: { ...input_schema, type: 'object' } },
      },
    )
    const result = readResult(answer)
    if (answer.isError === true) return { status: 'error', error_code: 'tool_error', result }
    const { structuredContent } = answer
    if (output_schema === undefined || structuredContent === undefined) {
      return { status: 'success', result }
    }
    const schema = checkableSchema(output_schema)
    if (schema === null || findMismatch(schema, structuredContent) === null) {
      return { status: 'success', result }
    }
    const { structured_content: _, ...rest } = result
    return { status: 'error', error_code: 'tool_result_invalid', result: rest }
  } catch (error) {
    return options.signal.aborted ? unknown('execution_cancelled') : callFailure(error)
  }
}
