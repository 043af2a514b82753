import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import { addBlock } from '../../support/rows/content.ts'
import { addAgent, invoke } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

/** What content may refer to. */
const configuration = [
  'public.agents',
  'public.models',
  'public.client_schemas',
  'public.mcp_configurations',
  'public.preference_types',
  'public.system_prompts',
  'client_mgmt.llm_configs',
  'client_mgmt.projects',
  'client_mgmt.prompts',
  'conversation.lens_prototypes',
  'conversation.participants',
]
/** Parts of a configuration, its secrets and its present state: they mean nothing without it. */
const parts: Readonly<Record<string, readonly string[]>> = {
  'public.agents': ['public.models', 'public.agent_health', 'public.circuit_breaker_state'],
  'public.models': ['public.circuit_breaker_state'],
  'public.client_schemas': ['public.client_schema_preferences'],
  'public.system_prompts': ['client_mgmt.system_prompt_opt_outs'],
  'client_mgmt.projects': [
    'client_mgmt.budgets',
    'client_mgmt.llm_configs',
    'conversation.lens_runs',
    'public.system_prompts',
  ],
  'conversation.lens_prototypes': ['conversation.lens_runs', 'conversation.lens_versions'],
  'public.mcp_configurations': [
    'client_mgmt.mcp_tool_listings',
    'client_mgmt.mcp_tool_policies',
    'client_mgmt.mcp_tools',
    'private.mcp_bearer_tokens',
    'private.mcp_header_keys',
    'public.mcp_oauth_tokens',
    'public.oauth_states',
  ],
}
/** The row keeps the names of what it loses. */
const loses: Readonly<Record<string, readonly string[]>> = {
  'public.client_schemas': ['client_mgmt.projects'],
  'public.mcp_configurations': ['conversation.tool_calls'],
}

test('no foreign key from content to configuration cascades', async () => {
  const keys = await sql<{ child: string; parent: string; action: string }[]>`
    select format('%I.%I', c.relnamespace::regnamespace::text, c.relname) as child,
      format('%I.%I', p.relnamespace::regnamespace::text, p.relname) as parent, k.confdeltype as action
    from pg_constraint k
    join pg_class c on c.oid = k.conrelid
    join pg_class p on p.oid = k.confrelid
    where k.contype = 'f'`
  const found = keys.filter(({ parent }) => configuration.includes(parent))
  expect(found.length).toBeGreaterThan(20)
  const wrong = found.filter(({ child, parent, action }) => {
    if (action === 'c') return !parts[parent]?.includes(child)
    if (action === 'n') return !loses[parent]?.includes(child)
    return action !== 'a' && action !== 'r'
  })
  expect(wrong).toEqual([])
})

interface Scene {
  owner: Member
  agent: { id: number; name: string; modelIds: number[] }
  lens: number
  content: Awaited<ReturnType<typeof addBlock>>
}
async function scene(work: (tx: TransactionSql, made: Scene) => Promise<void>) {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const content = await addBlock(tx, owner, 1)
    const agent = await addAgent(tx, owner)
    await invoke(tx, owner, { agent: agent.name, project_id: String(content.project) })
    const [lens] = await tx<{ id: string }[]>`
      insert into conversation.lens_prototypes (organization_id, name, prompt_template)
      values (${owner.organizationId}, 'lens', 'Count.') returning id`
    await tx`
      insert into conversation.block_lens_version
        (organization_id, run_id, block_id, lens_id, version, result, input_hash, execution_ids)
      values (${owner.organizationId}, 1, ${content.block}, ${lens?.id ?? null}, 1, '{}', '', '{}')`
    await work(tx, { owner, agent, lens: Number(lens?.id), content })
  })
}
const remove = (table: string, id: number) => (tx: TransactionSql) =>
  tx`delete from ${tx(table)} where id = ${id}`

test('what content refers to is not deleted, and nothing of the content goes', async () => {
  await scene(async (tx, { owner, agent, lens, content }) => {
    const rows: [string, number][] = [
      ['public.agents', agent.id],
      ['public.models', agent.modelIds[0] ?? 0],
      ['client_mgmt.projects', content.project],
      ['conversation.participants', content.participant],
      ['conversation.lens_prototypes', lens],
    ]
    for (const [table, id] of rows) {
      for (const actor of [owner, 'service_role'] as const) {
        expect(await refusal(tx, actor, remove(table, id)), table).toBe('PT409 in_use')
      }
      expect(await tx`select 1 from ${tx(table)} where id = ${id}`, table).toHaveLength(1)
    }
    expect(
      await tx`select 1 from conversation.turns where id = ${content.turns[0] ?? 0}`,
    ).toHaveLength(1)
  })
})

test('what nothing refers to any more is deleted, and the log of the organization tells it', async () => {
  await scene(async (tx, { owner, agent, lens, content }) => {
    await as(tx, owner, remove('conversation.blocks', content.block))
    await as(tx, owner, remove('conversation.turns', content.turns[0] ?? 0))
    await as(tx, owner, (t) => t`delete from public.chat_sessions where user_id = ${owner.id}`)
    await as(tx, owner, remove('conversation.lens_prototypes', lens))
    await as(tx, owner, remove('conversation.participants', content.participant))
    await as(tx, owner, remove('client_mgmt.projects', content.project))
    await as(tx, owner, remove('public.models', agent.modelIds[0] ?? 0))
    // Its figures of the day stay.
    expect(await refusal(tx, owner, remove('public.agents', agent.id))).toBe('PT409 in_use')
    const told = await tx<{ action: string }[]>`
      select action from public.audit_logs
      where organization_id = ${owner.organizationId} and action like '%.delete' order by action`
    expect(told.map(({ action }) => action)).toEqual([
      'lens.delete',
      'model.delete',
      'participant.delete',
      'project.delete',
    ])
  })
})

test('the deletion of an organization deletes its content before its configuration', async () => {
  await scene(async (tx, { owner }) => {
    await tx`delete from public.organizations where id = ${owner.organizationId}`
    const left = await tx`
      select 1 from public.agents where organization_id = ${owner.organizationId}
      union all select 1 from conversation.turns where organization_id = ${owner.organizationId}
      union all select 1 from public.agent_executions where organization_id = ${owner.organizationId}`
    expect(left).toHaveLength(0)
  })
})
