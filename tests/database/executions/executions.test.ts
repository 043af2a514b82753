import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  type Account,
  addMember,
  addOwner,
  as,
  committedAs,
  type Member,
  refusal,
} from '../../support/people/tenants.ts'
import { addAgent, begin, finish, invoke, outcomes } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

async function arrange(tx: TransactionSql): Promise<{ owner: Member; agent: string }> {
  const owner = await addOwner(tx)
  return { owner, agent: (await addAgent(tx, owner)).name }
}

const countsOf = async (tx: TransactionSql, { organizationId }: Member) => {
  const [row] = await tx`
    select (select count(*)::integer from public.chat_sessions where organization_id = ${organizationId}) as sessions,
      (select count(*)::integer from public.chat_messages where organization_id = ${organizationId}) as messages,
      (select count(*)::integer from public.agent_executions where organization_id = ${organizationId}) as executions`
  return row
}

test('a turn leaves the question, the answer, the usage and the session, for its person', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const outcome = { ...outcomes.success, input_tokens: 3, output_tokens: 2 }
    const { begun, finished } = await invoke(tx, owner, { agent, content: 'hello' }, outcome)
    expect(begun).toMatchObject({ status: 'running', replayed: false, result: null })
    expect(begun.history).toMatchObject([{ role: 'user', content: 'hello' }])
    expect(finished).toMatchObject({
      status: 'success',
      finish_reason: 'stop',
      message: { content: 'Hi' },
      usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
      already_final: false,
    })
    const messages = await as(
      tx,
      owner,
      (t) => t`
        select role, content, parent_id from public.chat_messages order by created_at`,
    )
    expect(messages).toEqual([
      { role: 'user', content: 'hello', parent_id: null },
      { role: 'assistant', content: 'Hi', parent_id: begun.message_id },
    ])
    const next = await as(
      tx,
      owner,
      begin({ agent, session_id: begun.session_id, content: 'more' }),
    )
    expect(next.history.map((message) => message.content)).toEqual(['hello', 'Hi', 'more'])
  })
})

test('the same key and body is the same execution, before and after its end', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const id = crypto.randomUUID()
    for (const args of [
      { agent, idempotency_key: 'k-1' },
      { agent, id },
    ]) {
      const first = await as(tx, owner, begin(args))
      const again = await as(tx, owner, begin(args))
      expect(again).toMatchObject({
        execution_id: first.execution_id,
        message_id: first.message_id,
        replayed: true,
        result: null,
      })
      await as(tx, 'service_role', finish(first))
      const after = await as(tx, owner, begin(args))
      expect(after).toMatchObject({
        execution_id: first.execution_id,
        replayed: true,
        result: { status: 'success', message: { content: 'Hi' } },
      })
    }
    expect(await countsOf(tx, owner)).toEqual({ sessions: 2, messages: 4, executions: 2 })
  })
})

test('the same key with another body is a conflict and writes nothing', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    await as(tx, owner, begin({ agent, idempotency_key: 'k-1', content: 'one' }))
    const before = await countsOf(tx, owner)
    for (const change of [{ content: 'two' }, { model: 'only' }, { params: { temperature: 1 } }]) {
      const call = begin({ agent, idempotency_key: 'k-1', content: 'one', ...change })
      expect(await refusal(tx, owner, call)).toBe('23505 idempotency_conflict')
    }
    expect(await countsOf(tx, owner)).toEqual(before)
  })
})

test('a key belongs to its person and organization', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const colleague = await addMember(tx, owner.organizationId)
    const { owner: stranger, agent: theirs } = await arrange(tx)
    const id = crypto.randomUUID()
    const first = await as(tx, owner, begin({ agent, idempotency_key: 'k', id }))
    const other = await as(tx, colleague, begin({ agent, idempotency_key: 'k' }))
    const foreign = await as(tx, stranger, begin({ agent: theirs, idempotency_key: 'k', id }))
    const ids = [first, other, foreign].map(({ execution_id }) => execution_id)
    expect(new Set(ids).size).toBe(3)
    expect([other.replayed, foreign.replayed]).toEqual([false, false])
  })
})

test('of thirty equal requests at once one begins and the others find it', async () => {
  const { owner, agent } = await sql.begin((tx) => arrange(tx))
  const begun = await Promise.all(
    Array.from({ length: 30 }, () =>
      committedAs(sql, owner, begin({ agent, idempotency_key: 'double click' })),
    ),
  )
  expect(new Set(begun.map(({ execution_id }) => execution_id)).size).toBe(1)
  expect(begun.filter(({ replayed }) => !replayed)).toHaveLength(1)
})

test('an execution ends once: a second end changes nothing and answers the first', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const { begun } = await invoke(tx, owner, { agent })
    for (const outcome of [outcomes.fault, outcomes.cancelled, outcomes.success]) {
      const again = await as(tx, 'service_role', finish(begun, { ...outcome, content: 'other' }))
      expect(again).toMatchObject({
        status: 'success',
        message: { content: 'Hi' },
        already_final: true,
      })
    }
    expect(await countsOf(tx, owner)).toEqual({ sessions: 1, messages: 2, executions: 1 })
    const ledger = await tx`
      select 1 from client_mgmt.usage_ledger where organization_id = ${owner.organizationId}`
    expect(ledger).toHaveLength(1)
  })
})

test('of twenty ends at once one counts', async () => {
  const { owner, agent } = await sql.begin((tx) => arrange(tx))
  const begun = await committedAs(sql, owner, begin({ agent }))
  const ends = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      committedAs(
        sql,
        'service_role',
        finish(begun, n % 2 === 0 ? outcomes.success : outcomes.fault),
      ),
    ),
  )
  expect(ends.filter(({ already_final }) => !already_final)).toHaveLength(1)
  expect(new Set(ends.map(({ status }) => status)).size).toBe(1)
})

test('a failed or cancelled answer keeps its partial text, marked as such', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    for (const outcome of [outcomes.fault, outcomes.cancelled]) {
      const { begun, finished } = await invoke(tx, owner, { agent }, { ...outcome, content: 'Hal' })
      expect(finished).toMatchObject({
        status: outcome.status,
        error_code: outcome.error_code,
        finish_reason: null,
        message: { content: 'Hal' },
      })
      const [message] = await tx`
        select metadata from public.chat_messages where id = ${begun.response_message_id}`
      expect(message?.metadata).toMatchObject({ partial: true, status: outcome.status })
    }
    const { begun } = await invoke(tx, owner, { agent }, outcomes.fault)
    const rows = await tx`
      select role from public.chat_messages where session_id = ${begun.session_id}`
    expect(rows).toEqual([{ role: 'user' }])
  })
})

test('cost is null when a price or a count is unknown, never 0', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const usage = { ...outcomes.success, input_tokens: 1000, output_tokens: 500 }
    const unknown = await invoke(tx, owner, { agent }, usage)
    expect(unknown.finished.cost_usd).toBeNull()
    await tx`
      insert into client_mgmt.model_prices (provider, model_id, input_per_million, output_per_million)
      values ('openrouter', ${`${agent}/only`}, 2, 4)`
    const known = await invoke(tx, owner, { agent }, usage)
    expect(known.finished.cost_usd).toBe(0.004)
    const uncounted = await invoke(tx, owner, { agent })
    expect(uncounted.finished.cost_usd).toBeNull()
    const cached = await invoke(tx, owner, { agent }, { ...usage, cached_input_tokens: 100 })
    expect(cached.finished.cost_usd).toBe(0.004)
  })
})

test('a caller cannot end, renew or write an execution, nor may anon begin one', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const begun = await as(tx, owner, begin({ agent }))
    const ids = `${begun.organization_id}, '${begun.execution_id}'`
    for (const statement of [
      `select public.finish_execution(${ids}, '{"status":"success","finish_reason":"stop"}')`,
      `select public.renew_execution_lease(${ids})`,
      `update public.agent_executions set status = 'success'`,
      `update public.agent_executions set cost_usd = 0`,
      `insert into public.chat_messages (organization_id, session_id, user_id, role)
       values (${begun.organization_id}, '${begun.session_id}', '${owner.id}', 'assistant')`,
      `update public.agent_metrics set failed_requests = 0`,
      `delete from client_mgmt.usage_ledger`,
    ]) {
      for (const actor of [owner, 'anon'] as const) {
        expect(await refusal(tx, actor, (t) => t.unsafe(statement)), statement).toMatch(/^42501 /)
      }
    }
    expect(await refusal(tx, 'anon', begin({ agent }))).toMatch(/^42501 /)
    const [row] = await tx`
      select status from public.agent_executions where id = ${begun.execution_id}`
    expect(row?.status).toBe('running')
  })
})

test('a refused request writes nothing', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const colleague = await addMember(tx, owner.organizationId)
    const { begun } = await invoke(tx, owner, { agent })
    const before = await countsOf(tx, owner)
    const cases: [Account, Parameters<typeof begin>[0], string][] = [
      [owner, { agent: 'absent' }, 'PT404 agent_not_found'],
      [owner, { agent, model: 'absent' }, 'PT404 model_not_found'],
      [owner, { agent, session_id: crypto.randomUUID() }, 'PT404 session_not_found'],
      [colleague, { agent, session_id: begun.session_id }, 'PT404 session_not_found'],
      [owner, { agent, content: '' }, '22023 invalid_request'],
      [owner, { agent, content: 'x'.repeat(262_145) }, '22023 invalid_request'],
      [owner, { agent, id: 'not a uuid' }, '22023 invalid_request'],
    ]
    for (const [person, args, expected] of cases) {
      expect(await refusal(tx, person, begin(args)), JSON.stringify(args).slice(0, 80)).toBe(
        expected,
      )
    }
    expect(await countsOf(tx, owner)).toEqual(before)
  })
})

test('the metrics of a day count failures and cancellations too', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const measured = { ...outcomes.success, input_tokens: 10, output_tokens: 4, latency_ms: 200 }
    await invoke(tx, owner, { agent }, measured)
    await invoke(tx, owner, { agent }, { ...outcomes.success, latency_ms: 100 })
    await invoke(tx, owner, { agent }, { ...outcomes.fault, latency_ms: 40 })
    await invoke(tx, owner, { agent }, { ...outcomes.cancelled, latency_ms: 60 })
    const rows = await as(
      tx,
      owner,
      (t) => t`
        select total_requests::integer as total, successful_requests::integer as successful,
          failed_requests::integer as failed, cancelled_requests::integer as cancelled,
          avg_latency_ms::float as latency, avg_tokens_in::float as tokens_in
        from public.agent_metrics`,
    )
    expect(rows).toEqual([
      { total: 4, successful: 2, failed: 1, cancelled: 1, latency: 100, tokens_in: 10 },
    ])
    expect(await as(tx, await addOwner(tx), (t) => t`select 1 from public.agent_metrics`)).toEqual(
      [],
    )
  })
})
