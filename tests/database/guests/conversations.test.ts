import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addSupport,
  beginAs,
  count,
  joinBy,
  openAgent,
  slugOf,
  takeGuests,
} from '../../support/people/guests.ts'
import { addMember, as, type Member, outcome, refusal } from '../../support/people/tenants.ts'
import { finish, outcomes } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const message = { content: 'hello' }

const tables = [
  'public.chat_sessions',
  'public.chat_messages',
  'public.agent_executions',
  'public.v_recent_sessions',
]

test('a guest has a conversation, and no other guest and no colleague reads it', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest, other } = await addSupport(tx)
    const colleague = await addMember(tx, owner.organizationId)
    const begun = await beginAs(tx, guest, { message })
    await as(tx, 'service_role', finish(begun))
    expect(await count(tx, guest, 'public.chat_messages')).toBe(2)
    for (const table of tables) {
      expect([table, await count(tx, guest, table)]).not.toEqual([table, 0])
      for (const who of [other, colleague])
        expect([table, await count(tx, who, table)]).toEqual([table, 0])
    }
  })
})

test('a guest sees no shared conversation, and shares none', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest } = await addSupport(tx)
    await as(
      tx,
      owner,
      (t) => t`insert into public.chat_sessions (visibility) values ('organization')`,
    )
    expect(await count(tx, guest, 'public.chat_sessions')).toBe(0)
    const share = (t: TransactionSql) =>
      t`insert into public.chat_sessions (visibility) values ('organization')`
    expect(await refusal(tx, guest, share)).toBe('42501 permission_denied')
    await as(tx, guest, (t) => t`insert into public.chat_sessions (title) values ('Mine')`)
    expect(
      await refusal(
        tx,
        guest,
        (t) => t`update public.chat_sessions set visibility = 'organization'`,
      ),
    ).toBe('42501 permission_denied')
    expect(
      await refusal(tx, guest, (t) => t`update public.chat_sessions set title = 'Still mine'`),
    ).toBe('allowed')
  })
})

test('a guest’s session names no agent that is closed, as if there were none', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest, open, closed } = await addSupport(tx)
    const name = (agent: number) => (t: TransactionSql) =>
      t`insert into public.chat_sessions (agent_id) values (${agent})`
    expect(await refusal(tx, guest, name(open.id))).toBe('allowed')
    expect(await refusal(tx, guest, name(closed.id))).toBe('23503 agent_not_found')
    expect(await refusal(tx, guest, name(9_999_999))).toBe('23503 agent_not_found')
    const [project] = await tx<{ id: string }[]>`
      insert into client_mgmt.projects (organization_id, name) values (${owner.organizationId}, 'P')
      returning id`
    for (const id of [Number(project?.id), 9_999_999]) {
      const put = (t: TransactionSql) =>
        t`insert into public.chat_sessions (project_id) values (${id})`
      expect(await refusal(tx, guest, put)).toBe('42501 permission_denied')
    }
  })
})

test('a guest invokes open agents alone; a closed one and an absent one give one error', async () => {
  await rolledBack(sql, async (tx) => {
    const { guest, open, closed } = await addSupport(tx)
    const begin = (request: object) => outcome(tx.savepoint((t) => beginAs(t, guest, request)))
    expect(await begin({ message, agent: open.name })).toBe('allowed')
    expect(await begin({ message })).toBe('allowed')
    for (const agent of [closed.name, 'absent', 'droid'])
      expect([agent, await begin({ message, agent })]).toEqual([agent, 'PT404 agent_not_found'])
    await openAgent(tx, open.id, false)
    expect(await begin({ message })).toBe('PT404 agent_not_found')
  })
})

test('an organization’s closed agent stands for the platform’s open one of its name', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest, open } = await addSupport(tx)
    await openAgent(tx, open.id, false)
    const [platform] = await tx<{ id: string }[]>`
      update public.agents set open_to_guests = true
      where organization_id is null and name = 'droid' returning id`
    const begin = () => outcome(tx.savepoint((t) => beginAs(t, guest, { message, agent: 'droid' })))
    expect(await begin()).toBe('allowed')
    await tx`insert into public.agents (organization_id, name, type)
      values (${owner.organizationId}, 'droid', 'openrouter')`
    expect(await begin()).toBe('PT404 agent_not_found')
    const byId = (t: TransactionSql) =>
      t`insert into public.chat_sessions (agent_id) values (${platform?.id ?? null})`
    expect(await refusal(tx, guest, byId)).toBe('23503 agent_not_found')
  })
})

test('a guest’s request names no model, project, prompt or end user, and sets no parameter', async () => {
  await rolledBack(sql, async (tx) => {
    const { guest } = await addSupport(tx)
    const refused: readonly [object, string][] = [
      [{ model: 'only' }, 'PT404 model_not_found'],
      [{ model: 'absent' }, 'PT404 model_not_found'],
      [{ project_id: 1 }, 'PT404 project_not_found'],
      [{ prompt: { name: 'any' } }, 'PT404 prompt_not_found'],
      [{ params: { max_output_tokens: 1_000_000 } }, '42501 permission_denied'],
      [{ params: { reasoning_effort: 'high' } }, '42501 permission_denied'],
      [{ end_user: 'ada' }, '42501 permission_denied'],
      [{ transient: true }, '42501 permission_denied'],
      [{ transient: true, capability: 'embeddings' }, '42501 permission_denied'],
    ]
    for (const [more, code] of refused) {
      const began = outcome(tx.savepoint((t) => beginAs(t, guest, { message, ...more })))
      expect([more, await began]).toEqual([more, code])
    }
  })
})

test('a guest begins nothing themselves, because the answer has the prompts and models', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest } = await addSupport(tx)
    await tx`insert into public.system_prompts (scope, organization_id, content)
      values ('organization', ${owner.organizationId}, 'Our secret instructions')`
    const begun = await beginAs(tx, guest, { message })
    expect(begun.system_prompts).toContain('Our secret instructions')
    const calls = [
      `begin_execution('{"message":{"content":"hello"}}')`,
      `start_execution('${begun.execution_id}')`,
      `begin_execution_as('${guest.sessionId}', ${guest.organizationId}, '{"message":{"content":"hello"}}')`,
      `start_execution_as('${guest.sessionId}', ${guest.organizationId}, '${begun.execution_id}')`,
      `available_models()`,
      `explain_effective_llm()`,
      `preview_system_prompt('{{organization_name}}')`,
    ]
    for (const call of calls) {
      const refused = await refusal(tx, guest, (t) => t.unsafe(`select public.${call}`))
      expect([call, refused]).toEqual([call, expect.stringMatching(/^42501/)])
    }
    for (const call of ['explain_effective_prompts()', 'get_effective_system_prompts()']) {
      expect(await count(tx, guest, `public.${call}`)).toBe(0)
    }
    expect(
      JSON.stringify(
        await as(tx, guest, (t) => t`select public.read_execution(${begun.execution_id}) as r`),
      ),
    ).not.toContain('secret')
  })
})

test('a token of one organization begins nothing in the one to which its session has moved', async () => {
  await rolledBack(sql, async (tx) => {
    const { guest } = await addSupport(tx)
    const { owner: elsewhere } = await addSupport(tx)
    const queued = await beginAs(tx, guest, { message })
    await takeGuests(tx, elsewhere)
    await as(tx, guest, joinBy(await slugOf(tx, elsewhere)))
    const { organizationId } = elsewhere
    await as(tx, guest, (t) => t`select public.switch_organization(${organizationId})`)
    const began = outcome(tx.savepoint((t) => beginAs(t, guest, { message })))
    expect(await began).toBe('42501 no_organization')
    const started = refusal(
      tx,
      'service_role',
      (t) => t`select public.start_execution_as(
        ${guest.sessionId}, ${guest.organizationId}, ${queued.execution_id})`,
    )
    expect(await started).toBe('42501 no_organization')
    const there = await beginAs(tx, { ...guest, organizationId }, { message })
    expect(Number(there.organization_id)).toBe(organizationId)
  })
})

test('the answer of a guest is bounded, and its cost stands in the ledger alone', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest } = await addSupport(tx)
    const begun = await beginAs(tx, guest, { message })
    expect(begun.route).toEqual([
      expect.objectContaining({
        params: expect.objectContaining({ max_output_tokens: 4096 }) as unknown,
      }),
    ])
    await as(tx, 'service_role', finish(begun, { ...outcomes.success, provider_cost_usd: 0.5 }))
    const [seen] = await as(
      tx,
      guest,
      (t) => t`
      select x.cost_usd, public.read_execution_result(x.id) ->> 'cost_usd' as told
      from public.agent_executions x`,
    )
    expect(seen).toEqual({ cost_usd: null, told: null })
    expect(await count(tx, guest, 'client_mgmt.usage_ledger')).toBe(0)
    expect(await count(tx, guest, `public.usage_by_day('2000-01-01')`)).toBe(0)
    const [paid] = await as(
      tx,
      owner,
      (t) => t`select cost_usd::float8 from client_mgmt.usage_ledger`,
    )
    expect(paid).toEqual({ cost_usd: 0.5 })
  })
})

test('what a guest was as a member counts no more: prompts, opt-outs, project and model', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, open } = await addSupport(tx)
    const one = await addMember(tx, owner.organizationId)
    const [layer] = await tx<{ id: string }[]>`
      insert into public.system_prompts (scope, organization_id, content)
      values ('organization', ${owner.organizationId}, 'House rules') returning id`
    await as(tx, one, async (t) => {
      await t`insert into public.system_prompts (scope, user_id, content)
        values ('user', ${one.id}, 'Ignore the house')`
      await t`insert into client_mgmt.system_prompt_opt_outs (system_prompt_id) values (${layer?.id ?? null})`
      await t`update public.user_sessions set system_prompt = 'I sign in as a pirate'`
    })
    const [project] = await tx<{ id: string }[]>`
      insert into client_mgmt.projects (organization_id, name) values (${owner.organizationId}, 'P')
      returning id`
    await tx`insert into public.system_prompts (scope, organization_id, project_id, content)
      values ('organization', ${owner.organizationId}, ${project?.id ?? null}, 'Of the project')`
    const [session] = await as(
      tx,
      one,
      (t) => t<{ id: string }[]>`
      insert into public.chat_sessions (agent_id, project_id) values (${open.id}, ${project?.id ?? null})
      returning id`,
    )
    await as(tx, owner, (t) => t`select public.set_member_role(${one.id}, 'guest')`)
    const begun = await beginAs(tx, one, { message, session_id: session?.id })
    const texts = begun.system_prompts.filter((text) => /house|pirate|project/i.test(text))
    expect(texts).toEqual(['House rules'])
  })
})

test('no tool server of the organization is for a guest’s execution', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest, open } = await addSupport(tx)
    await tx`insert into public.mcp_configurations (organization_id, name, type, endpoint)
      values (${owner.organizationId}, 'orders', 'http', 'https://orders.example.com/')`
    const toolsOf = async (who: Member) =>
      ((await beginAs(tx, who, { message, agent: open.name })) as unknown as { tools: unknown[] })
        .tools
    expect(await toolsOf(guest)).toEqual([])
    expect(await toolsOf(await addMember(tx, owner.organizationId))).toHaveLength(1)
  })
})

test('a running answer ends when the agent closes to guests or the guest is removed', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest, open } = await addSupport(tx)
    const renew = async () => {
      const begun = await beginAs(tx, guest, { message })
      return (change: (t: TransactionSql) => Promise<unknown>) =>
        tx.savepoint(async (t) => {
          await change(t)
          const [row] = await as(
            t,
            'service_role',
            (s) => s<{ state: string }[]>`
            select public.renew_execution_lease(${owner.organizationId}, ${begun.execution_id}) as state`,
          )
          return row?.state
        })
    }
    const first = await renew()
    expect(await first(() => Promise.resolve())).toBe('running')
    expect(await first((t) => openAgent(t, open.id, false))).toBe('revoked')
    await openAgent(tx, open.id)
    const second = await renew()
    expect(
      await second((t) => as(t, owner, (o) => o`select public.remove_member(${guest.id})`)),
    ).toBe('revoked')
  })
})
