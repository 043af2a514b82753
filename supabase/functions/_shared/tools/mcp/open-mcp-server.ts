import { ProtocolError, type StandardSchemaV1 } from '@modelcontextprotocol/client'
import { findMismatch } from '../../json-schema/find-mismatch.ts'
import { isRecord } from '../../json.ts'
import { sleep, systemClock, timeLimit } from '../../time.ts'
import { checkableSchema } from '../checkable-schema.ts'
import type { Reply } from '../elicitation.ts'
import { readInputRequired } from '../read-questions.ts'
import { asks, callFailure, connectFailure, notMade } from '../tool-failure.ts'
import { toolTimeouts } from '../tool-limits.ts'
import { readResult, textResult, unknown } from '../tool-result.ts'
import type {
  ServerListing,
  ToolDefinition,
  ToolOutcome,
  ToolServer,
  ToolServerKey,
} from '../tool-server.ts'
import { notMadeText } from '../tool-texts.ts'
import { connect, type ConnectDependencies, type Connection } from './connect.ts'
import { Contact } from './contact.ts'
import { listTools } from './list-tools.ts'
import { createServerMemory } from './server-memory.ts'
import { ServerRefused } from './server-refused.ts'

export type McpServerOptions = Partial<ConnectDependencies> & Pick<ConnectDependencies, 'fetch'>

/** A connection and how many listings and calls use it. */
interface Used {
  readonly connection: Promise<Connection>
  uses: number
}

const cancelled: ToolOutcome = {
  status: 'error',
  error_code: 'execution_cancelled',
  result: textResult(notMadeText()),
}

/** One MCP server over streamable HTTP or SSE, in both revisions of the protocol. */
export function openMcpServer(key: ToolServerKey, options: McpServerOptions): ToolServer {
  const { clock = systemClock, timeouts = toolTimeouts } = options
  const { memory = createServerMemory(clock), contact = new Contact(clock) } = options
  const deps = { ...options, clock, memory, contact, timeouts }
  let current: Used | null = null

  /** Does one thing over the connection; over a new one when the server ended the session. */
  async function over<Result>(
    signal: AbortSignal,
    work: (connection: Connection, isFirst: boolean) => Promise<Result>,
  ): Promise<Result> {
    for (let isFirst = true; ; isFirst = false) {
      const used = (current ??= { connection: connect(deps, key, signal), uses: 0 })
      used.uses += 1
      try {
        const connection = await used.connection.catch((error: unknown) => {
          throw new NotConnected(error)
        })
        // Over SSE one stream brings all answers and ends when a request has to.
        if (connection.era === 'sse' && current === used) current = null
        return await work(connection, isFirst)
      } catch (error) {
        const isOver = error instanceof ServerRefused && error.sessionIsOver
        // The next use connects anew.
        if ((isOver || error instanceof NotConnected) && current === used) current = null
        if (!isOver || !isFirst || signal.aborted) throw error
      } finally {
        used.uses -= 1
        if (current !== used && used.uses === 0) await closeQuietly(used)
      }
    }
  }

  return {
    async list(signal) {
      try {
        return await over(signal, async (connection, isFirst) => ({
          ...(await list(connection, signal, timeouts.list, isFirst)),
          era: connection.era,
          instructions: connection.client.getInstructions(),
        }))
      } catch (error) {
        throw connectFailure(error instanceof NotConnected ? error.cause : error)
      }
    },
    async call(definition, args, signal, reply) {
      if (signal.aborted) return cancelled
      try {
        return await over(signal, (connection) =>
          signal.aborted
            ? Promise.resolve(cancelled)
            : call(connection, definition, args, { signal, timeouts, clock, reply }),
        )
      } catch (error) {
        if (error instanceof NotConnected) return signal.aborted ? cancelled : notMade(error.cause)
        return signal.aborted ? unknown('execution_cancelled') : callFailure(error)
      }
    },
    reached: () => contact.reached,
    async close() {
      const used = current
      current = null
      if (used) await closeQuietly(used)
    },
  }
}

/** Nothing was sent but what connects. */
class NotConnected extends Error {
  override readonly name = 'NotConnected'
  constructor(override readonly cause: unknown) {
    super('not connected')
  }
}

async function closeQuietly({ connection }: Used): Promise<void> {
  const connected = await connection.catch(() => {
    // The use that asked for the connection was told; there is nothing to close.
  })
  await connected?.close()
}

/** JSON-RPC 2.0, section 5.1. */
const methodNotFound = -32_601

/** What we read ourselves, the library need not judge. */
const anything: StandardSchemaV1<unknown, unknown> = {
  '~standard': { version: 1, vendor: 'colloquy', validate: (value) => ({ value }) },
}

function list(
  { client, wire, era }: Connection,
  cancel: AbortSignal,
  timeout: number,
  isFirst: boolean,
): Promise<ServerListing> {
  const signal = timeLimit(timeout, cancel)
  return listTools({
    isModern: era === 'modern',
    // A server that was started anew between two pages knows neither the session nor the cursor.
    beginsAnew: (error) => isFirst && error instanceof ServerRefused && error.sessionIsOver,
    page: async (cursor) => {
      const params = cursor === undefined ? {} : { cursor }
      const request = { method: 'tools/list', params } as const
      try {
        return wire.resultOf(await client.request(request, anything, { signal, timeout }))
      } catch (error) {
        // A server of resources or prompts alone.
        if (error instanceof ProtocolError && error.code === methodNotFound) return { tools: [] }
        throw error
      }
    },
  })
}

interface CallOptions extends Pick<ConnectDependencies, 'timeouts' | 'clock'> {
  readonly signal: AbortSignal
  readonly reply: Reply | undefined
}

/** Repetitions of a call whose server asks for nothing but its own state again, and their pause. */
const mostRepeats = 3
const repeatPause = 1_000

async function call(
  connection: Connection,
  definition: ToolDefinition,
  args: Readonly<Record<string, unknown>>,
  options: CallOptions,
): Promise<ToolOutcome> {
  let reply = options.reply
  for (let repeats = 0; ; repeats += 1) {
    const answer = await send(connection, definition, args, { ...options, reply })
    if (!isRecord(answer) || answer['resultType'] !== 'input_required') {
      return toOutcome(definition, answer)
    }
    if (connection.era !== 'modern') return asks({ problem: 'its revision has no such result' })
    const read = readInputRequired(answer)
    if (!read.elicitation || read.elicitation.questions.length > 0) return asks(read)
    if (repeats === mostRepeats) return asks({ problem: 'it asks for nothing again and again' })
    await sleep(options.clock, repeatPause, options.signal)
    options.signal.throwIfAborted()
    reply = { answers: {}, state: read.elicitation.state, takesAnswers: true }
  }
}

async function send(
  { client, wire }: Connection,
  { name, input_schema }: ToolDefinition,
  args: Readonly<Record<string, unknown>>,
  { signal, timeouts, reply }: CallOptions,
): Promise<unknown> {
  const answer = await client.callTool(
    { name, arguments: args, ...toRetry(reply) },
    {
      signal,
      timeout: timeouts.call,
      maxTotalTimeout: timeouts.longestCall,
      resetTimeoutOnProgress: true,
      // A server reports progress only to a client that asks for it.
      onprogress: () => undefined,
      // Without the output schema: the library would take a mismatch for a failed call.
      toolDefinition: { name, inputSchema: { ...input_schema, type: 'object' } },
    },
  )
  return wire.resultOf(answer)
}

/** 2026-07-28, "Multi round-trip requests": the state comes back as it was, and only if there was one. */
function toRetry(reply: Reply | undefined) {
  if (!reply?.takesAnswers) return {}
  const { answers, state } = reply
  return {
    ...(Object.keys(answers).length > 0 && { inputResponses: answers }),
    ...(state !== null && { requestState: state }),
  }
}

/** Also as a text or a number. */
function isTrue(value: unknown): boolean {
  return value === true || value === 1 || (typeof value === 'string' && /^true$/i.test(value))
}

function toOutcome({ output_schema }: ToolDefinition, answer: unknown): ToolOutcome {
  const result = readResult(answer)
  const { isError, structuredContent } = isRecord(answer) ? answer : {}
  if (isTrue(isError)) return { status: 'error', error_code: 'tool_error', result }
  const isChecked =
    output_schema !== undefined && structuredContent !== undefined && structuredContent !== null
  const schema = isChecked ? checkableSchema(output_schema) : null
  if (schema === null || findMismatch(schema, structuredContent) === null) {
    return { status: 'success', result }
  }
  const { structured_content: _, ...rest } = result
  return { status: 'error', error_code: 'tool_result_invalid', result: rest }
}
