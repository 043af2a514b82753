import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addDevice,
  addMember,
  addOwner,
  as,
  type Member,
  refusal,
} from '../../support/people/tenants.ts'
import { addBudget, addPricedAgent } from '../../support/rows/budgets.ts'
import { begin, type Begun, finish, outcomes } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

interface People {
  owner: Member
  member: Member
  /** Another device of the member. */
  other: Member
}
type Change = (tx: TransactionSql, people: People) => Promise<unknown>

const revoke = (by: Member, device: Member) => (tx: TransactionSql) =>
  as(tx, by, (t) => t`select public.revoke_session(${device.sessionId})`)

const ends: Record<string, Change> = {
  'the member was removed': (tx, { owner, member }) =>
    as(tx, owner, (t) => t`select public.remove_member(${member.id})`),
  'the member left': (tx, { other }) => as(tx, other, (t) => t`select public.leave_organization()`),
  'the account was suspended': (tx, { member }) =>
    tx`update public.users set is_active = false where id = ${member.id}`,
  'the organization was suspended': (tx, { owner }) =>
    tx`update public.organizations set is_active = false where id = ${owner.organizationId}`,
  'the session was revoked from another device': (tx, { other, member }) =>
    revoke(other, member)(tx),
  'the session revoked itself': (tx, { member }) => revoke(member, member)(tx),
}

const goesOn: Record<string, Change> = {
  'the device signed out': (tx, { member }) =>
    tx`delete from auth.sessions where id = ${member.sessionId}`,
  'the session expired': (tx, { member }) =>
    tx`update public.user_sessions set expires_at = now() where id = ${member.sessionId}`,
  'another device was revoked': (tx, { member, other }) => revoke(member, other)(tx),
  'another device signed out': (tx, { other }) =>
    tx`delete from auth.sessions where id = ${other.sessionId}`,
  'the role changed': (tx, { owner, member }) =>
    as(tx, owner, (t) => t`select public.set_member_role(${member.id}, 'admin')`),
}

type Call = (begun: Begun) => (tx: TransactionSql) => Promise<unknown>

/** What a worker asks before it calls the model once more. */
const calls: Record<string, Call> = {
  'a further step': (begun) => (tx) =>
    tx`select public.reserve_execution_step(${begun.organization_id}, ${begun.execution_id}, 9, 9)`,
  'the probe of an open breaker': (begun) => (tx) =>
    tx`select public.acquire_probe(${begun.organization_id}, ${begun.execution_id},
        ${begun.route[0]?.model_id ?? 0})`,
}

async function arrange(tx: TransactionSql) {
  const owner = await addOwner(tx)
  const member = await addMember(tx, owner.organizationId)
  const other = await addDevice(tx, member)
  const agent = await addPricedAgent(tx, owner)
  await addBudget(tx, owner, { period: 'day', limit_usd: '1' })
  const begun = await as(tx, member, begin({ agent }))
  return { owner, member, other, begun }
}

const renew = (organization: number, id: string) => async (tx: TransactionSql) => {
  const [row] = await tx<{ status: string }[]>`
    select public.renew_execution_lease(${organization}, ${id}) as status`
  return row?.status
}

test('what ends a person’s access stops their running work: no call is made, what was said is kept', async () => {
  for (const [name, change] of Object.entries(ends)) {
    await rolledBack(sql, async (tx) => {
      const { begun, ...people } = await arrange(tx)
      const { organization_id, execution_id } = begun
      expect(await as(tx, 'service_role', renew(organization_id, execution_id))).toBe('running')
      await change(tx, people)
      expect(await as(tx, 'service_role', renew(organization_id, execution_id)), name).toBe(
        'revoked',
      )
      const [asked] = await tx`
        select status, cancel_requested_at is not null as cancels
        from public.agent_executions where id = ${execution_id}`
      expect(asked).toEqual({ status: 'running', cancels: true })
      const [row] = await as(
        tx,
        'service_role',
        (t) => t`
          select public.append_execution_events(${organization_id}, ${execution_id}, 1,
              '[{"type":"text-delta","delta":"said"}]') as appended,
            public.begin_tool_calls(${organization_id}, ${execution_id}, 1, '[]', '{}') ->> 'status'
              as tools`,
      )
      expect(row).toEqual({ appended: 'revoked', tools: 'revoked' })
      for (const [call, ask] of Object.entries(calls)) {
        expect(await refusal(tx, 'service_role', ask(begun)), `${call}: ${name}`).toBe(
          'PT403 access_revoked',
        )
      }
      const end = { ...outcomes.cancelled, error_code: 'access_revoked', content: 'said' }
      const stored = await as(tx, 'service_role', finish(begun, end))
      expect(stored).toMatchObject({
        status: 'cancelled',
        error_code: 'access_revoked',
        message: { content: 'said' },
      })
      const held = await tx`
        select 1 from client_mgmt.budget_counters
        where organization_id = ${organization_id} and (reserved_usd <> 0 or reserved_tokens <> 0)`
      expect(held).toHaveLength(0)
    })
  }
})

test('a sign-out, an expiry or another device’s end leaves running work alone', async () => {
  for (const [name, change] of Object.entries(goesOn)) {
    await rolledBack(sql, async (tx) => {
      const { begun, ...people } = await arrange(tx)
      const { organization_id, execution_id } = begun
      await change(tx, people)
      expect(await as(tx, 'service_role', renew(organization_id, execution_id)), name).toBe(
        'running',
      )
      for (const ask of Object.values(calls)) {
        expect(await refusal(tx, 'service_role', ask(begun)), name).toBe('allowed')
      }
    })
  }
})

test('the device that began an execution is forgotten with its end', async () => {
  await rolledBack(sql, async (tx) => {
    const { begun, member } = await arrange(tx)
    const callers = () => tx`
      select user_session_id from private.execution_callers
      where execution_id = ${begun.execution_id}`
    expect(await callers()).toEqual([{ user_session_id: member.sessionId }])
    await as(tx, 'service_role', finish(begun))
    expect(await callers()).toEqual([])
  })
})
