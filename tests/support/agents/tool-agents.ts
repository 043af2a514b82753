import type { Sql } from 'postgres'
import { type Organization, type Person, signUpWithOrganization } from '../people/people.ts'
import { readEvents } from './agents-fixture.ts'
import { type AgentsWorker, startAgentsWorker } from './agents-worker.ts'
import { frame, text } from './chat-stream.ts'
import { createAgent } from './invoke.ts'
import { eventStream, json } from './raw-http.ts'
import { type RawProvider, startRawProvider } from './raw-provider.ts'

/** A call that a scripted model asks for. */
export interface ScriptedCall {
  id?: string
  name: string
  args?: object | string
}

/** What a scripted model says in one call of it. */
export type Said = string | ScriptedCall | readonly ScriptedCall[]

/** What the model was asked: the body of a request to the provider. */
export interface ModelRequestBody {
  messages: { role: string; content: unknown; tool_call_id?: string; tool_calls?: unknown[] }[]
  response_format?: unknown
  tools?: { function: { name: string; description?: string; parameters: object } }[]
}

/** The function `agents` in a process of its own, over a model that a test scripts. */
export interface ToolAgents {
  readonly worker: AgentsWorker
  readonly provider: RawProvider
  /** Sets what the model says from now on; the last of it again and again. */
  script(...said: Said[]): void
  /** What the model was asked since the last script. */
  asked(): ModelRequestBody[]
  close(): Promise<void>
}

const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }

export async function startToolAgents(changes: Record<string, string> = {}): Promise<ToolAgents> {
  const provider = await startRawProvider()
  const worker = await startAgentsWorker({
    OPENROUTER_API_KEY: 'sk-or-v1-of-a-scripted-model',
    OPENROUTER_BASE_URL: provider.url,
    ...changes,
  })
  let first = 0
  return {
    worker,
    provider,
    script(...said) {
      first = provider.journal.length
      const from = first
      provider.respond(({ body }, index) => {
        const next = said[Math.min(index - from, said.length - 1)]
        if (next === undefined) throw new Error('the model has nothing to say')
        const { stream } = JSON.parse(body) as { stream?: boolean }
        return stream === true ? eventStream(framesOf(next)) : [json(200, wholeOf(next))]
      })
    },
    asked: () =>
      provider.journal.slice(first).map(({ body }) => JSON.parse(body) as ModelRequestBody),
    async close() {
      await worker.close()
      await provider.close()
    },
  }
}

function framesOf(said: Said): string[] {
  const { tool_calls, content } = messageOf(said)
  const end = { finish_reason: tool_calls ? 'tool_calls' : 'stop' }
  const last = { id: 'gen-1', model: 'm', choices: [{ index: 0, delta: {}, ...end }], usage }
  const first = tool_calls ? frame({ tool_calls }) : text(content)
  return [first, `data: ${JSON.stringify(last)}\n\ndata: [DONE]\n\n`]
}

function wholeOf(said: Said): object {
  const message = messageOf(said)
  const finish_reason = message.tool_calls ? 'tool_calls' : 'stop'
  return { id: 'gen-1', model: 'm', choices: [{ index: 0, message, finish_reason }], usage }
}

function messageOf(said: Said) {
  if (typeof said === 'string') return { role: 'assistant', content: said }
  const tool_calls = [said].flat().map(({ id, name, args = {} }, index) => ({
    index,
    id: id ?? `call-${index + 1}`,
    type: 'function',
    function: { name, arguments: typeof args === 'string' ? args : JSON.stringify(args) },
  }))
  return { role: 'assistant', content: '', tool_calls }
}

/** A person with an organization, an agent, and perhaps a server. */
export interface Tenant {
  readonly person: Person & { organization: Organization }
  readonly agent: string
  /** Adds a server of the organization; returns its id. */
  addServer(endpoint: string, policy?: string, row?: Record<string, unknown>): Promise<number>
}

export async function addTenant(sql: Sql): Promise<Tenant> {
  const person = await signUpWithOrganization('tools')
  const agent = await createAgent(sql, person.organization, ['openrouter'])
  return {
    person,
    agent,
    async addServer(endpoint, policy, row = {}) {
      const { data, error } = await person.client
        .from('mcp_configurations')
        .insert({ user_id: null as never, name: 'tools', type: 'http', endpoint, ...row } as never)
        .select('id')
        .single()
      if (error !== null) throw error
      const { id } = data
      if (policy !== undefined) await setPolicy(person, id, policy)
      return id
    },
  }
}

/** Sets the policy of a server, or of one of its tools, as a client does. */
export async function setPolicy(
  person: Person,
  mcp_configuration_id: number,
  policy: string,
  tool_name: string | null = null,
): Promise<void> {
  const { error } = await person.client
    .schema('client_mgmt')
    .from('mcp_tool_policies')
    .insert({ mcp_configuration_id, tool_name, policy })
  if (error !== null) throw error
}

export type Chunk = Record<string, unknown> & { type: string }

/** The chunks of a stream, without its last line. */
export function chunksOf(stream: string): Chunk[] {
  return readEvents(stream).flatMap(({ data }) => (typeof data === 'string' ? [] : [data as Chunk]))
}

export function ofType(chunks: readonly Chunk[], type: string): Chunk[] {
  return chunks.filter((chunk) => chunk.type === type)
}

/** The calls of an execution, in their order. */
export const callsOf = (sql: Sql, id: string) => sql`
  select tool_call_id, step, status, error_code, server, tool, arguments, result ->> 'text' as text
  from conversation.tool_calls where execution_id = ${id} order by step, position`

/** How an execution ended, and what was kept of its answer. */
export async function executionOf(sql: Sql, id: string): Promise<Record<string, unknown>> {
  const [row] = await sql`
    select x.status, x.finish_reason, x.error_code, x.input_tokens::int, x.output_tokens::int,
      m.content, m.parts
    from public.agent_executions x
    left join public.chat_messages m on m.id = x.response_message_id where x.id = ${id}`
  return { ...row }
}
