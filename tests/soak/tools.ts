import { type ToolServer, startToolServer, textAnswer } from '../support/agents/tool-server.ts'
import { frame } from '../support/agents/fault-rows.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import type { RawStep } from '../support/agents/raw-provider.ts'
import type { Random } from './random.ts'

/** The name under which each organization with tools has the server, and its one tool. */
export const toolServerName = 'soak'
const toolName = 'look'
/** Share of the requests with tools whose model asks for a call first. */
const callShare = 0.6

/** The MCP server of the soak: what each call of its tool was sent, by the id the model gave it. */
export interface SoakTools {
  readonly server: ToolServer
  /** How often a call arrived. */
  readonly made: Map<string, number>
  close(): Promise<void>
}

export async function startSoakTools(): Promise<SoakTools> {
  const made = new Map<string, number>()
  const inputSchema = { type: 'object', properties: { id: { type: 'string' } } }
  const server = await startToolServer({
    [toolName]: {
      inputSchema,
      run: ({ id, marker }) => {
        made.set(String(id), (made.get(String(id)) ?? 0) + 1)
        return textAnswer(`${String(marker)} was looked up`)
      },
    },
  })
  return { server, made, close: () => server.close() }
}

/** What a request to the provider has, as far as it matters here. */
export interface ModelRequest {
  readonly messages?: readonly { readonly role: string }[]
  readonly tools?: readonly unknown[]
}

/** How many steps of this answer the model has been through: the results at the end of the request. */
export function stepOf({ messages = [] }: ModelRequest): number {
  const last = messages.findLastIndex(({ role }) => role === 'user')
  return messages.slice(last).filter(({ role }) => role === 'assistant').length
}

/** A call that a model asks for, by the id among its arguments. */
export interface AskedCall {
  readonly id: string
  readonly steps: RawStep[]
}

/** What a model says that wants to call the tool; null where it answers at once. */
export function askForTool(
  request: ModelRequest,
  marker: string,
  random: Random,
): AskedCall | null {
  if (!request.tools?.length || stepOf(request) > 0 || !random.chance(callShare)) return null
  const id = random.uuid()
  const call = {
    index: 0,
    id: `call-${id}`,
    type: 'function',
    function: { name: `${toolServerName}__${toolName}`, arguments: JSON.stringify({ id, marker }) },
  }
  const usage = { prompt_tokens: 20, completion_tokens: 10, total_tokens: 30 }
  const end = `data: ${JSON.stringify({ id: 'gen-1', choices: [], usage })}\n\ndata: [DONE]\n\n`
  const steps = eventStream([
    frame({ tool_calls: [call] }),
    `${frame({}, { finish_reason: 'tool_calls' })}${end}`,
  ])
  return { id, steps }
}
