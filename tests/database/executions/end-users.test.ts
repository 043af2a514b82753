import { randomUUID } from 'node:crypto'
import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, type Member, outcome } from '../../support/people/tenants.ts'
import { refusedWith } from '../../support/rows/budgets.ts'
import { addAgent, begin, finish, invoke, outcomes } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

async function arrange(tx: TransactionSql, limits: Record<string, number> = {}) {
  const owner = await addOwner(tx)
  const { name: agent } = await addAgent(tx, owner)
  if (Object.keys(limits).length > 0) {
    await as(
      tx,
      'service_role',
      (t) => t`
        update client_mgmt.organization_limits set ${t(limits)}
        where organization_id = ${owner.organizationId}`,
    )
  }
  return { owner, agent }
}

test('a conversation goes on with its own end user only', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const { begun } = await invoke(tx, owner, { agent, end_user: 'ada' })
    const { session_id } = begun
    const [row] = await tx`select end_user from public.chat_sessions where id = ${session_id}`
    expect(row?.end_user).toBe('ada')
    for (const end_user of ['bob', 'Ada', undefined]) {
      const asked = begin({ agent, session_id, ...(end_user !== undefined && { end_user }) })
      expect(await outcome(as(tx, owner, asked))).toBe('PT404 session_not_found')
    }
    await as(tx, owner, begin({ agent, session_id, end_user: 'ada' }))
    // A member's own conversation is no customer's either.
    const { begun: own } = await invoke(tx, owner, { agent })
    const taken = begin({ agent, session_id: own.session_id, end_user: 'ada' })
    expect(await outcome(as(tx, owner, taken))).toBe('PT404 session_not_found')
  })
})

test('a repeated request is the same end user’s, and a response is followed and quoted by it alone', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const kept = {
      agent,
      transient: true,
      message: { content: 'hi', input: [{ role: 'user' }] },
      end_user: 'ada',
    }
    const ask = (request: object, key: string | null = null) =>
      as(tx, owner, async (t) => {
        const [row] = await t`
          select public.begin_execution(${t.json(request as never)}, ${key}) as begun`
        return row?.begun as Parameters<typeof finish>[0]
      })
    const first = await ask(kept, 'key')
    expect(await outcome(ask({ ...kept, end_user: 'bob' }, 'key'))).toBe(
      '23505 idempotency_conflict',
    )
    await as(tx, 'service_role', finish(first))
    const previous = first.execution_id
    const next = { ...kept, previous }
    expect(await outcome(ask({ ...next, end_user: 'bob' }))).toBe('PT404 execution_not_found')
    expect(await outcome(ask(next))).toBe('allowed')
    const quotes = { agent, transient: true, message: { content: 'hi' }, refers: [previous] }
    expect(await outcome(ask({ ...quotes, end_user: 'bob' }))).toBe('PT404 execution_not_found')
    expect(await outcome(ask(quotes))).toBe('PT404 execution_not_found')
    expect(await outcome(ask({ ...quotes, end_user: 'ada' }))).toBe('allowed')
    expect(await outcome(ask({ ...quotes, refers: ['1'] }))).toBe('22023 invalid_request')
  })
})

test('a quoted execution of another member and an absent one give one answer', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const ben = await addMember(tx, owner.organizationId)
    const { begun } = await invoke(tx, ben, { agent, end_user: 'ada' })
    const answers = []
    for (const id of [begun.execution_id, randomUUID()]) {
      const asked = begin({ agent, transient: true, refers: [id], end_user: 'bob' })
      answers.push(await outcome(as(tx, owner, asked)))
    }
    expect(answers).toEqual(['allowed', 'allowed'])
  })
})

test('a message to a session that a person handles counts for its end user', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx, { requests_per_minute_per_end_user: 2 })
    const admin = await addMember(tx, owner.organizationId, 'admin')
    const { begun } = await invoke(tx, owner, { agent, end_user: 'ada' })
    const { session_id } = begun
    await tx`update public.chat_sessions set visibility = 'organization' where id = ${session_id}`
    await as(tx, admin, (t) => t`select public.take_over_session(${session_id})`)
    const ask = () => as(tx, owner, begin({ agent, session_id, end_user: 'ada' }))
    expect(await ask()).toMatchObject({ result: { finish_reason: 'person_answers' } })
    const { message, hint } = await refusedWith(ask())
    expect(message).toBe('rate_limited')
    expect(hint).toMatchObject({ limit: 'requests_per_minute', scope: 'end_user', allowed: 2 })
  })
})

test.each([
  ['', '22023 invalid_request'],
  ['x'.repeat(513), '22023 invalid_request'],
  [7, '22023 invalid_request'],
  ['😀'.repeat(512), 'allowed'],
])('an end user is a text of 1 to 512 characters: %#', async (end_user, expected) => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    expect(await outcome(as(tx, owner, begin({ agent, end_user: end_user as string })))).toBe(
      expected,
    )
  })
})

test('an end user has limits of their own, which name themselves and say when to come back', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx, {
      max_concurrent_per_end_user: 2,
      requests_per_minute_per_end_user: 3,
    })
    const ben = await addMember(tx, owner.organizationId)
    const ask = (member: Member, end_user?: string) =>
      as(tx, member, begin({ agent, ...(end_user !== undefined && { end_user }) }))
    const first = await ask(owner, 'ada')
    await ask(owner, 'ada')
    const full = await refusedWith(ask(owner, 'ada'))
    expect(full.message).toBe('too_many_executions')
    expect(full.hint).toEqual({ limit: 'end_user', max_concurrent: 2, retry_after: 2 })
    // Neither another customer, nor another member's, nor the member is held up.
    await ask(owner, 'bob')
    await ask(ben, 'ada')
    await ask(owner)
    await as(tx, 'service_role', finish(first))
    await ask(owner, 'ada')
    await tx`update public.agent_executions set status = 'success', completed_at = now()
      where end_user = 'ada' and status = 'running'`
    const often = await refusedWith(ask(owner, 'ada'))
    expect(often.message).toBe('rate_limited')
    expect(often.hint).toEqual({
      limit: 'requests_per_minute',
      scope: 'end_user',
      allowed: 3,
      retry_after: expect.any(Number) as number,
    })
    await tx`update public.agent_executions set created_at = created_at - interval '1 minute'`
    await ask(owner, 'ada')
  })
})

test('the tokens of an end user count as reserved, and as used after the end', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx, { tokens_per_minute_per_end_user: 10_000 })
    const ask = (max_output_tokens: number) =>
      as(tx, owner, begin({ agent, end_user: 'ada', params: { max_output_tokens } }))
    const first = await ask(6_000)
    const { message, hint } = await refusedWith(ask(6_000))
    expect(message).toBe('rate_limited')
    expect(hint).toMatchObject({ limit: 'tokens_per_minute', scope: 'end_user', allowed: 10_000 })
    await as(
      tx,
      'service_role',
      finish(first, { ...outcomes.success, input_tokens: 5, output_tokens: 5, total_tokens: 10 }),
    )
    await ask(6_000)
  })
})

test('usage names the end user, and the person or billing.manage lists their customers', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const ben = await addMember(tx, owner.organizationId)
    const cleo = await addMember(tx, owner.organizationId)
    const stranger = await addOwner(tx)
    const used = { ...outcomes.success, input_tokens: 3, output_tokens: 4, total_tokens: 7 }
    await invoke(tx, ben, { agent, end_user: 'ada' }, used)
    await invoke(tx, ben, { agent, end_user: 'ada' }, used)
    await invoke(tx, ben, { agent, end_user: 'bob' }, used)
    await invoke(tx, ben, { agent }, used)
    const listed = (member: Member, of: string | null = null) =>
      as(
        tx,
        member,
        (t) => t`
          select end_user, sessions::int, executions::int, input_tokens::int, output_tokens::int
          from public.usage_by_end_user('2000-01-01', null, null, ${of}) order by end_user`,
      )
    const ada = { end_user: 'ada', executions: 2, input_tokens: 6, output_tokens: 8 }
    const bob = { end_user: 'bob', executions: 1, input_tokens: 3, output_tokens: 4 }
    expect(await listed(ben)).toEqual([
      { ...ada, sessions: 2 },
      { ...bob, sessions: 1 },
    ])
    expect(await listed(ben, 'bob')).toEqual([{ ...bob, sessions: 1 }])
    // The owner pays, and reads no private conversation.
    expect(await listed(owner)).toEqual([
      { ...ada, sessions: 0 },
      { ...bob, sessions: 0 },
    ])
    expect(await listed(cleo)).toEqual([])
    expect(await listed(stranger)).toEqual([])
    const [day] = await as(
      tx,
      ben,
      (t) => t`
        select executions::int from public.usage_by_day('2000-01-01', null, null, 'ada')`,
    )
    expect(day?.executions).toBe(2)
  })
})

test('no client writes an end user', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const { begun } = await invoke(tx, owner, { agent, end_user: 'ada' })
    for (const write of [
      (t: TransactionSql) => t`insert into public.chat_sessions (end_user) values ('bob')`,
      (t: TransactionSql) =>
        t`update public.chat_sessions set end_user = 'bob' where id = ${begun.session_id}`,
    ]) {
      expect(await outcome(as(tx, owner, async (t) => await write(t)))).toMatch(/^42501/)
    }
  })
})
