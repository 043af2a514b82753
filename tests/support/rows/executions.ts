import { randomUUID } from 'node:crypto'
import type { Sql, TransactionSql } from 'postgres'
import { type Actor, as, type Member } from '../people/tenants.ts'

export interface Begun {
  organization_id: number
  execution_id: string
  session_id: string
  message_id: string
  response_message_id: string
  status: string
  replayed: boolean
  route: { model_id: number; name: string }[]
  history: { role: string; content: string }[]
  system_prompts: string[]
  result: Finished | null
}

export interface Finished {
  status: string
  finish_reason: string | null
  error_code: string | null
  message: { content: string } | null
  usage: { input_tokens: number | null; output_tokens: number | null; total_tokens: number | null }
  cost_usd: number | null
  already_final: boolean
}

/** An agent of the organization with the given models, so that tests share no breaker. */
export async function addAgent(
  tx: Sql | TransactionSql,
  { organizationId }: Member,
  models: string[] = ['only'],
): Promise<{ name: string; id: number; modelIds: number[] }> {
  const name = `agent-${randomUUID().slice(0, 8)}`
  const [agent] = await tx<{ id: string }[]>`
    insert into public.agents (organization_id, name, type)
    values (${organizationId}, ${name}, 'openrouter') returning id`
  const id = Number(agent?.id)
  const modelIds = []
  for (const [n, model] of models.entries()) {
    const [row] = await tx<{ id: string }[]>`
      insert into public.models
        (organization_id, agent_id, name, display_name, provider, model_id, priority)
      values (${organizationId}, ${id}, ${model}, ${model}, 'openrouter', ${`${name}/${model}`}, ${n})
      returning id`
    modelIds.push(Number(row?.id))
  }
  return { name, id, modelIds }
}

/** The request of begin_execution() and its key; `message` defaults to a short one. */
export interface BeginArguments {
  content?: string | object[]
  id?: string
  agent?: string
  model?: string
  session_id?: string | null
  project_id?: string | null
  parent_id?: string
  regenerate?: string
  idempotency_key?: string
  on_busy?: 'refuse' | 'queue'
  params?: Record<string, unknown>
  prompt?: { name: string; variables?: object }
  transient?: boolean
  capability?: string
  input_bytes?: number
  end_user?: string
  previous?: string
  refers?: string[]
}

/** A statement for as() or committedAs(). */
export const begin =
  ({ content = 'hello', id, idempotency_key, project_id, ...rest }: BeginArguments = {}) =>
  async (tx: TransactionSql): Promise<Begun> => {
    const message = rest.regenerate === undefined ? { content, id } : undefined
    // A bigint of the database arrives as text.
    const project = project_id == null ? undefined : Number(project_id)
    const request = { ...rest, message, project_id: project }
    const [row] = await tx<{ result: Begun }[]>`
      select public.begin_execution(
        ${tx.json(request as never)}, ${idempotency_key ?? null}
      ) as result`
    if (row === undefined) throw new Error('begin_execution answered nothing')
    return row.result
  }

/** What a worker reports; every field but the status has a default. */
export const outcomes = {
  success: { status: 'success', finish_reason: 'stop', content: 'Hi', latency_ms: 100 },
  fault: { status: 'failed', error_code: 'provider_error', fault: 'provider', latency_ms: 50 },
  cancelled: { status: 'cancelled', error_code: 'execution_cancelled', latency_ms: 30 },
} as const

export const finish =
  (begun: Begun, outcome: Record<string, unknown> = outcomes.success) =>
  async (tx: TransactionSql): Promise<Finished> => {
    const [row] = await tx<{ result: Finished }[]>`
      select public.finish_execution(
        ${begun.organization_id}, ${begun.execution_id}, ${tx.json(outcome as never)}
      ) as result`
    if (row === undefined) throw new Error('finish_execution answered nothing')
    return row.result
  }

/** One whole invocation inside a transaction. */
export async function invoke(
  tx: TransactionSql,
  actor: Actor,
  args: BeginArguments,
  outcome?: Record<string, unknown>,
): Promise<{ begun: Begun; finished: Finished }> {
  const begun = await as(tx, actor, begin(args))
  return { begun, finished: await as(tx, 'service_role', finish(begun, outcome)) }
}
