import type { Sql } from 'postgres'

import type { Life } from './memory.ts'
import type { World } from './world.ts'

/**
 * Breaks, after the run and before the checks, what each invariant guards: all of them have to
 * fail, or the soak could not tell.
 */
export async function spoil(
  sql: Sql,
  world: World,
  { lives, lines }: { lives: Life[]; lines: string[] },
): Promise<void> {
  const { acknowledged, answers, provider, tools, organizations } = world
  const asked = world.asked.find(
    ({ streams, conversation, message }) =>
      message !== null &&
      streams.size > 0 &&
      conversation.row.states[0] !== null &&
      [...streams].every((stream) => stream.includes('"type":"finish"')),
  )
  if (!asked?.message || asked.executionId === null) throw new Error('no stream to spoil')
  const { executionId, message } = asked
  const project = acknowledged.rows.find(
    ({ table, states }) => table === 'projects' && states.length === 1 && states[0] !== null,
  )
  const budget = organizations.find((organization) => organization.budget !== null)
  if (!project || !budget) throw new Error('no project or no budget to spoil')
  await sql.begin(async (tx) => {
    // Without triggers and references: as a defect of the database would.
    await tx`set local session_replication_role = replica`
    await tx`delete from client_mgmt.projects where name = ${String(project.key['name'])}`
    await tx`update public.chat_messages set content = 'spoilt' where id = ${message.id}`
    await tx`
      update client_mgmt.budget_counters set reserved_tokens = reserved_tokens + 1
      where organization_id = ${budget.id}`
    await tx`
      update public.audit_logs set details = '{"spoilt": true}'
      where id = (select max(id) from public.audit_logs where organization_id = ${organizations[0]?.id ?? 0})`
    await tx`
      update public.chat_messages set content = 'spoilt too'
      where id = (select response_message_id from public.agent_executions where id = ${executionId})`
    await tx`
      update conversation.execution_events
      set event = replace(event::text, 'answers', 'replies')::json where execution_id = ${executionId}`
    await tx`
      update public.agent_executions set status = 'running', completed_at = null
      where id = (select id from public.agent_executions where id <> ${executionId} limit 1)`
    await tx`
      update public.agent_executions set status = 'failed', error_code = 'provider_error'
      where id = ${executionId}`
    await tx`
      insert into public.chat_sessions (organization_id, user_id, title, visibility)
      select organization_id, user_id, 'spoilt', 'organization' from public.chat_sessions limit 1`
  })
  answers.foreign.push('spoilt')
  answers.count(
    'agents',
    new Response(null, { status: 500 }),
    '{"error":{"code":"internal_error"}}',
  )
  provider.mixed.push('spoilt')
  const call = provider.calls.find(({ seed }) => seed === asked.seed)
  if (call) for (let count = 0; count < 50; count += 1) provider.calls.push({ ...call })
  await spoilTools(sql, tools.made)
  lines.push('TypeError: spoilt')
  const samples = Array.from({ length: 90 }, (_, n) => ({ at: n * 1000, megabytes: 100 + n * n }))
  lives.push({ name: 'spoilt', pid: 0, samples })
}

/** Breaks each invariant of the calls of tools by a call of its own. */
async function spoilTools(sql: Sql, made: Map<string, number>): Promise<void> {
  const rows = await sql<{ id: string }[]>`
    select (arguments::jsonb) ->> 'id' as id from conversation.tool_calls
    where status = 'success' limit 3`
  const [twice, endless, absent] = rows.map(({ id }) => id)
  if (twice === undefined || endless === undefined || absent === undefined) {
    throw new Error('no three calls of a tool to spoil')
  }
  made.set(twice, 2)
  made.set('spoilt', 1)
  made.delete(absent)
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`
    await tx`
      update conversation.tool_calls set status = 'running' where (arguments::jsonb) ->> 'id' = ${endless}`
  })
}
