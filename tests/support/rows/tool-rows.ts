import type { TransactionSql } from 'postgres'
import { as, type Member } from '../people/tenants.ts'
import { addAgent, begin, type Begun, finish } from './executions.ts'
import { addConfiguration } from './mcp-rows.ts'

export const endpoint = 'https://tools.example.com/mcp'

/** A definition as the worker records it. */
export function definition(name: string, description = `Does ${name}`): Record<string, unknown> {
  return { name, description, input_schema: { type: 'object' } }
}

export interface Listed {
  tools: { name: string; definition_hash: string; policy: string; definition: object }[]
  quarantined: string[]
}

/** A server without authorization, of a person or of the organization. */
export async function addServer(
  tx: TransactionSql,
  { organizationId }: Member,
  changes: { user_id?: string | null; name?: string; enabled?: boolean } = {},
): Promise<number> {
  const id = await addConfiguration(tx, organizationId, changes)
  await tx`
    update public.mcp_configurations set endpoint = ${endpoint}, auth_type = 'none' where id = ${id}`
  return id
}

/** What a worker does after it has asked a server for its tools. */
export function record(
  tx: TransactionSql,
  { organizationId, id }: Member,
  configuration: number,
  tools: readonly Record<string, unknown>[],
  { at = endpoint, ttl = 60 } = {},
): Promise<Listed> {
  return as(tx, 'service_role', async (t) => {
    const [row] = await t<{ result: Listed }[]>`
      select public.record_mcp_tools(
        ${organizationId}, ${id}, ${configuration}, ${at}, ${t.json(tools as never)}, ${ttl}) as result`
    if (row === undefined) throw new Error('record_mcp_tools answered nothing')
    return row.result
  })
}

export async function setPolicy(
  tx: TransactionSql,
  person: Member,
  configuration: number,
  policy: string,
  tool: string | null = null,
): Promise<void> {
  await as(
    tx,
    person,
    (t) => t`
      insert into client_mgmt.mcp_tool_policies (mcp_configuration_id, tool_name, policy)
      values (${configuration}, ${tool}, ${policy})`,
  )
}

export interface Called {
  status: string
  calls?: { tool_call_id: string; status: string; error_code: string | null }[]
}

/** What a worker does before it makes the calls of one step. */
export function beginCalls(
  tx: TransactionSql,
  begun: Pick<Begun, 'organization_id' | 'execution_id'>,
  calls: readonly Record<string, unknown>[],
  { step = 1, params = {} } = {},
): Promise<Called> {
  return as(tx, 'service_role', async (t) => {
    const [row] = await t<{ result: Called }[]>`
      select public.begin_tool_calls(
        ${begun.organization_id}, ${begun.execution_id}, ${step}, ${t.json(calls as never)},
        ${t.json(params)}) as result`
    if (row === undefined) throw new Error('begin_tool_calls answered nothing')
    return row.result
  })
}

/** A call of a listed tool. */
export function callOf(
  configuration: number,
  listed: Listed,
  tool: string,
  changes: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    tool_call_id: `call-${tool}`,
    name: `server__${tool}`,
    arguments: '{"q":1}',
    mcp_configuration_id: configuration,
    server: 'server',
    endpoint,
    tool,
    definition_hash: listed.tools.find(({ name }) => name === tool)?.definition_hash,
    ...changes,
  }
}

export interface Stage {
  owner: Member
  server: number
  listed: Listed
  begun: Begun
}

/** An organization with one server that lists `search`, and a running execution of its owner. */
export async function stage(
  tx: TransactionSql,
  owner: Member,
  policy?: 'auto' | 'ask' | 'off',
): Promise<Stage> {
  const server = await addServer(tx, owner)
  if (policy !== undefined) await setPolicy(tx, owner, server, policy)
  const listed = await record(tx, owner, server, [definition('search')])
  const agent = await addAgent(tx, owner)
  const begun = await as(tx, owner, begin({ agent: agent.name }))
  return { owner, server, listed, begun }
}

/** Ends an execution as one that waits for a person. */
export function endWaiting(tx: TransactionSql, begun: Begun): Promise<unknown> {
  const parts = [
    { type: 'tool_call', id: 'call-search', name: 'server__search', arguments: '{"q":1}' },
  ]
  const outcome = {
    status: 'success',
    finish_reason: 'tool_approval_required',
    parts,
    latency_ms: 1,
  }
  return as(tx, 'service_role', finish(begun, outcome))
}

export interface Decided {
  tool_call_id: string
  status: string
  waiting: number
  continued_by: string | null
  continuation: (Begun & { continues: string; params: Record<string, unknown> }) | null
}

export const decide =
  (begun: Pick<Begun, 'execution_id'>, decision: string, call = 'call-search') =>
  async (tx: TransactionSql): Promise<Decided> => {
    const [row] = await tx<{ result: Decided }[]>`
      select public.decide_tool_call(${begun.execution_id}, ${call}, ${decision}) as result`
    if (row === undefined) throw new Error('decide_tool_call answered nothing')
    return row.result
  }

export interface Claimed {
  execution_id: string
  tool_call_id: string
  status: string
  arguments: string
  error_code: string | null
}

export function claim(
  tx: TransactionSql,
  { organization_id, execution_id }: Pick<Begun, 'organization_id' | 'execution_id'>,
): Promise<Claimed[]> {
  return as(tx, 'service_role', async (t) => {
    const [row] = await t<{ result: Claimed[] }[]>`
      select public.claim_tool_calls(${organization_id}, ${execution_id}) as result`
    return row?.result ?? []
  })
}

export function finishCall(
  tx: TransactionSql,
  { organization_id, execution_id }: Pick<Begun, 'organization_id' | 'execution_id'>,
  outcome: Record<string, unknown>,
  call = 'call-search',
): Promise<string> {
  return as(tx, 'service_role', async (t) => {
    const [row] = await t<{ status: string }[]>`
      select public.finish_tool_call(
        ${organization_id}, ${execution_id}, ${call}, ${t.json(outcome as never)}) as status`
    return row?.status ?? ''
  })
}
