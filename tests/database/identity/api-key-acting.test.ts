import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addMember,
  addOwner,
  as,
  committedAs,
  join,
  outcome,
  refusal,
  untilSomeoneWaits,
} from '../../support/people/tenants.ts'
import { actWith, hashOf, keyWorks, makeKey } from '../../support/rows/api-keys.ts'
import { addAgent, type Begun } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const act = (tx: TransactionSql, key: string, call: string, args: object = {}) =>
  as(tx, 'service_role', actWith(key, call, args as Record<string, unknown>))
const begin = (agent: string) => ({ request: { agent, message: { content: 'hello' } } })

test('a key invokes as its member, with one statement that checks it and acts', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name } = await addAgent(tx, owner)
    const { id, key } = await as(tx, owner, makeKey())
    const begun = (await act(tx, key, 'begin_execution', begin(name))) as Begun
    const [row] = await tx`
      select x.user_id, c.user_session_id from public.agent_executions x
      join private.execution_callers c on c.execution_id = x.id where x.id = ${begun.execution_id}`
    expect(row).toEqual({ user_id: owner.id, user_session_id: id })
    const { execution_id } = begun
    expect(await act(tx, key, 'read_execution', { execution_id })).toMatchObject({
      status: 'running',
    })
    expect(await act(tx, key, 'cancel_execution', { execution_id })).toBe('running')
  })
})

test('the secret key by itself invokes nothing, and no other role gets to a key', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name } = await addAgent(tx, owner)
    const { key } = await as(tx, owner, makeKey())
    for (const wrong of ['', 'x', `${key} `, key.toUpperCase(), hashOf(key)]) {
      const acting = act(tx, wrong, 'begin_execution', begin(name))
      expect(await outcome(acting)).toBe('PT401 unauthorized')
    }
    for (const hash of [null, '', '%', hashOf(key).toUpperCase(), `${hashOf(key)}0`]) {
      const raw = (t: TransactionSql) =>
        t`select public.act_with_api_key(${hash}, 'available_models', '{}')`
      expect(await refusal(tx, 'service_role', raw)).toBe('PT401 unauthorized')
    }
    for (const actor of [owner, 'anon', 'authenticated'] as const) {
      expect(await outcome(keyWorks(tx, key, actor))).toMatch(/^42501/)
      const identify = (t: TransactionSql) => t`select public.identify_api_key(${hashOf(key)})`
      expect(await refusal(tx, actor, identify)).toMatch(/^42501/)
      const enter = (t: TransactionSql) => t`select private.enter_api_key(${hashOf(key)})`
      expect(await refusal(tx, actor, enter)).toMatch(/^42501/)
    }
    const rows = await tx`
      select 1 from public.agent_executions where organization_id = ${owner.organizationId}`
    expect(rows).toHaveLength(0)
  })
})

test('a key calls the functions of an invocation and none other', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { key } = await as(tx, owner, makeKey())
    for (const call of [
      'create_api_key',
      'switch_organization',
      'invite_member',
      'list_sessions',
      '',
    ]) {
      expect(await outcome(act(tx, key, call))).toBe('42501 permission_denied')
    }
  })
})

test('what runs after the key has entered runs as its session, under row level security', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const other = await addOwner(tx)
    const { id, key } = await as(tx, owner, makeKey())
    const seen = await as(tx, 'service_role', async (t) => {
      await actWith(key, 'available_models')(t)
      const [row] = await t`
        select current_user as role, private.current_organization_id() as organization,
          private.current_user_id() as person, private.current_account_id() as account,
          private.claim_uuid('session_id') as session, private.has_permission('members.manage') as manages,
          (select array_agg(id) from public.organizations) as organizations`
      return row
    })
    expect(seen).toEqual({
      role: 'authenticated',
      organization: String(owner.organizationId),
      person: owner.id,
      // A person who has signed in; a key has not.
      account: null,
      session: id,
      manages: false,
      organizations: [String(owner.organizationId)],
    })
    expect(other.organizationId).not.toBe(owner.organizationId)
  })
})

test('as a key nobody makes keys, switches, founds, accepts or leaves', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const second = await addOwner(tx)
    await join(tx, second.organizationId, owner, 'owner')
    const permissions = ['agents.invoke', 'members.manage', 'agents.manage']
    const { key } = await as(tx, owner, makeKey({ permissions }))
    const calls: ((t: TransactionSql) => PromiseLike<unknown>)[] = [
      makeKey(),
      (t) => t`select public.switch_organization(${second.organizationId})`,
      (t) => t`select public.create_organization('x', 'x-of-a-key')`,
      (t) => t`select public.leave_organization()`,
      (t) => t`select public.set_member_role(${owner.id}, 'owner')`,
    ]
    for (const call of calls) {
      const acting = as(tx, 'service_role', async (t) => {
        await actWith(key, 'available_models')(t)
        await call(t)
      })
      expect(await outcome(acting)).toMatch(/^(42501|PT404|PT409)/)
    }
    const [row] =
      await tx`select organization_id from public.user_sessions where key_permissions is not null
      and user_id = ${owner.id}`
    expect(row?.organization_id).toBe(String(owner.organizationId))
  })
})

test('a key without agents.invoke begins nothing', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name } = await addAgent(tx, owner)
    const { key } = await as(tx, owner, makeKey({ permissions: ['audit.read'] }))
    const acting = act(tx, key, 'begin_execution', begin(name))
    expect(await outcome(acting)).toBe('42501 permission_denied')
  })
})

test('a key of one organization sees and runs nothing of the member’s other one', async () => {
  await rolledBack(sql, async (tx) => {
    const first = await addOwner(tx)
    const second = await addOwner(tx)
    await join(tx, second.organizationId, first, 'owner')
    const { name } = await addAgent(tx, second)
    const { key } = await as(tx, first, makeKey())
    const acting = act(tx, key, 'begin_execution', begin(name))
    expect(await outcome(acting)).toBe('PT404 agent_not_found')
  })
})

test('the last use is written at most once a minute', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { id, key } = await as(tx, owner, makeKey())
    const read = async () => {
      const [row] = await tx`
        select last_used_at, xmin::text as version from private.api_keys where id = ${id}`
      return row
    }
    expect((await read())?.last_used_at).toBeNull()
    await keyWorks(tx, key)
    const used = await read()
    expect(used?.last_used_at).not.toBeNull()
    await keyWorks(tx, key)
    expect((await read())?.last_used_at).toEqual(used?.last_used_at)
    await tx`update private.api_keys set last_used_at = last_used_at - interval '61 seconds' where id = ${id}`
    await keyWorks(tx, key)
    expect((await read())?.last_used_at).not.toEqual(used?.last_used_at)
    const [listed] = await as(tx, owner, (t) => t`select last_used_at from public.list_api_keys()`)
    expect(listed?.last_used_at).not.toBeNull()
  })
})

test('a member who is removed while they make a key has no key', async () => {
  const owner = await addOwner(sql)
  const member = await addMember(sql, owner.organizationId)
  let making: Promise<string> = Promise.resolve('')
  await sql.begin(async (tx) => {
    await as(tx, owner, (t) => t`select public.remove_member(${member.id})`)
    making = outcome(committedAs(sql, member, makeKey()))
    await untilSomeoneWaits(tx)
  })
  expect(await making).toBe('42501 no_organization')
  const rows = await sql`select 1 from private.api_keys where user_id = ${member.id}`
  expect(rows).toHaveLength(0)
})
