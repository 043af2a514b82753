import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import { begin } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

interface Explained {
  layer: string
  model_name: string
  is_winner: boolean
  left_out: string | null
}

const explain =
  (args: { agent?: string; model?: string; session?: string; project?: string } = {}) =>
  (tx: TransactionSql) => tx<Explained[]>`
    select layer, model_name, is_winner, left_out from public.explain_effective_llm(
      ${args.agent ?? null}, ${args.model ?? null}, ${args.session ?? null}, ${args.project ?? null}
    )`

/** An organization whose agent has one model for each layer, named after it. */
async function arrange(
  tx: TransactionSql,
): Promise<{ owner: Member; project: string; session: string }> {
  const owner = await addOwner(tx)
  return as(tx, owner, async (t) => {
    await t`insert into public.agents (name, type) values ('layered', 'openrouter')`
    const names = ['request', 'session', 'project', 'preference', 'organization', 'agent', 'late']
    for (const [n, name] of names.entries()) {
      await t`
        insert into public.models (agent_id, name, display_name, provider, model_id, priority)
        select a.id, ${name}, ${name}, 'openrouter', ${name}, ${name === 'agent' ? 1 : 10 + n}
        from public.agents a where a.name = 'layered' and a.organization_id is not null`
    }
    const [project] = await t<{ id: string }[]>`
      insert into client_mgmt.projects (name) values ('p') returning id`
    const [session] = await t<{ id: string }[]>`
      insert into public.chat_sessions (agent_id, model_id)
      select m.agent_id, m.id from public.models m where m.name = 'session' returning id`
    await t`
      insert into client_mgmt.llm_configs (project_id, provider, model)
      values (${project?.id ?? ''}, 'openrouter', 'project'), (null, 'openrouter', 'organization')`
    await t`
      insert into public.client_schema_preferences
        (client_schema_id, preference_type_id, preference_value)
      select c.id, t.id, 'preference' from public.client_schemas c, public.preference_types t
      where t.name = 'default_model'`
    return { owner, project: project?.id ?? '', session: session?.id ?? '' }
  })
}

test('every layer that names a model is shown in order, and the first one wins', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, project, session } = await arrange(tx)
    const rows = await as(tx, owner, explain({ model: 'request', session, project }))
    expect(rows.map((row) => [row.layer, row.model_name, row.is_winner])).toEqual([
      ['request', 'request', true],
      ['session', 'session', false],
      ['project', 'project', false],
      ['schema_preference', 'preference', false],
      ['organization', 'organization', false],
      ['agent', 'agent', false],
    ])
  })
})

test('without the layers above it each layer wins in its turn', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, project, session } = await arrange(tx)
    const winner = async (args: Parameters<typeof explain>[0]) => {
      const rows = await as(tx, owner, explain({ agent: 'layered', ...args }))
      expect(rows.filter((row) => row.is_winner)).toHaveLength(1)
      return rows.find((row) => row.is_winner)?.layer
    }
    expect(await winner({ model: 'late', session, project })).toBe('request')
    expect(await winner({ session, project })).toBe('session')
    expect(await winner({ project })).toBe('project')
    await as(tx, owner, (t) => t`delete from client_mgmt.llm_configs where project_id is not null`)
    expect(await winner({ project })).toBe('schema_preference')
    await as(tx, owner, (t) => t`delete from public.client_schema_preferences`)
    expect(await winner({ project })).toBe('organization')
    await as(tx, owner, (t) => t`delete from client_mgmt.llm_configs`)
    expect(await winner({ project })).toBe('agent')
  })
})

test('a layer that names a disabled or unknown model is shown and passed over', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, project } = await arrange(tx)
    await as(tx, owner, (t) => t`update public.models set enabled = false where name = 'project'`)
    const rows = await as(tx, owner, explain({ agent: 'layered', model: 'nothing', project }))
    expect(rows.map((row) => [row.layer, row.left_out, row.is_winner])).toEqual([
      ['request', 'model_not_found', false],
      ['project', 'model_not_found', false],
      ['schema_preference', null, true],
      ['organization', null, false],
      ['agent', null, false],
    ])
  })
})

test('the explanation is what an invocation does', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, project } = await arrange(tx)
    const rows = await as(tx, owner, explain({ agent: 'layered', project }))
    const begun = await as(tx, owner, begin({ agent: 'layered', project_id: project }))
    expect(begun.route[0]?.name).toBe(rows.find((row) => row.is_winner)?.model_name)
  })
})

test('foreign and absent sessions, projects and agents are one error each', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, project, session } = await arrange(tx)
    const colleague = await addMember(tx, owner.organizationId)
    const stranger = await addOwner(tx)
    for (const id of [session, crypto.randomUUID()]) {
      expect(await refusal(tx, stranger, explain({ session: id }))).toBe('PT404 session_not_found')
      expect(await refusal(tx, colleague, explain({ session: id }))).toBe('PT404 session_not_found')
    }
    for (const id of [project, '0']) {
      expect(await refusal(tx, stranger, explain({ project: id }))).toBe('PT404 project_not_found')
    }
    for (const agent of ['layered', 'absent']) {
      expect(await refusal(tx, stranger, explain({ agent }))).toBe('PT404 agent_not_found')
    }
    expect(await refusal(tx, 'anon', explain())).toMatch(/^42501 /)
  })
})
