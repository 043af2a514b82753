import { randomUUID } from 'node:crypto'
import { type JWTPayload, SignJWT } from 'jose'
import type { Sql } from 'postgres'
import { accessToken, claimsOf, type Organization, type Person } from '../people/people.ts'
import { useStack } from '../stack/stack.ts'

export interface ErrorBody {
  error: {
    code: string
    message: string
    path?: string
    details?: Record<string, string | number | null>
  }
}

/** A request to a function through the gateway, as any HTTP client would make it. */
export function callFunction(
  path: string,
  init: {
    token?: string | null
    headers?: Record<string, string>
    body?: unknown
    method?: string
  },
): Promise<Response> {
  const { url, publishableKey } = useStack()
  const { token, body } = init
  return fetch(`${url}/functions/v1/${path}`, {
    method: init.method ?? 'POST',
    headers: {
      apikey: publishableKey,
      'content-type': 'application/json',
      ...(token && { authorization: `Bearer ${token}` }),
      ...init.headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
}

/** `POST agents/invoke` as a signed-in person. */
export async function invoke(
  person: Person,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return callFunction('agents/invoke', { token: await accessToken(person), body, headers })
}

/** A token of the person's claims with changes, signed as the stack signs; undefined removes one. */
export async function forgeToken(
  person: Person,
  changes: Record<string, unknown>,
  options: { secret?: string; kid?: string } = {},
): Promise<string> {
  const claims = { ...(await claimsOf(person)), ...changes } as JWTPayload
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT', kid: options.kid ?? 'local' })
    .sign(new TextEncoder().encode(options.secret ?? useStack().jwtSecret))
}

/** How many rows an organization has where an invocation writes. */
export async function countWritten(sql: Sql, { id }: Organization) {
  const [row] = await sql<[Record<string, number>]>`
    select
      (select count(*)::int from public.chat_sessions where organization_id = ${id}) as sessions,
      (select count(*)::int from public.chat_messages where organization_id = ${id}) as messages,
      (select count(*)::int from public.agent_executions where organization_id = ${id}) as executions,
      (select count(*)::int from client_mgmt.usage_ledger where organization_id = ${id}) as usage,
      (select coalesce(sum(total_requests), 0)::int from public.agent_metrics
        where organization_id = ${id}) as requests`
  return row
}

export const nothingWritten = { sessions: 0, messages: 0, executions: 0, usage: 0, requests: 0 }

/** An agent of one organization alone, with models of the given providers in that order. */
export async function createAgent(
  sql: Sql,
  organization: Organization,
  providers: string[],
): Promise<string> {
  const name = `agent-${randomUUID()}`
  const [agent] = await sql<[{ id: string }]>`
    insert into public.agents (organization_id, name, type)
    values (${organization.id}, ${name}, ${providers[0] ?? 'openrouter'}) returning id`
  for (const [index, provider] of providers.entries()) {
    const model = `model-${index + 1}`
    await sql`
      insert into public.models
        (organization_id, agent_id, name, display_name, provider, model_id, priority)
      values (${organization.id}, ${agent.id}, ${model}, ${model}, ${provider}, ${model}, ${index})`
  }
  return name
}
