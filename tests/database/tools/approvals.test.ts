import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addMember,
  addOwner,
  as,
  committedAs,
  outcome,
  refusal,
} from '../../support/people/tenants.ts'
import { finish } from '../../support/rows/executions.ts'
import {
  beginCalls,
  callOf,
  claim,
  decide,
  definition,
  endWaiting,
  finishCall,
  record,
  setPolicy,
  type Stage,
  stage,
} from '../../support/rows/tool-rows.ts'
import { connectOwner } from '../../support/stack/database.ts'
import {
  callRow,
  endMembership,
  revocations,
  stagesOn,
  waiting,
} from '../../support/rows/tool-stages.ts'

const sql = connectOwner()
const onStage = stagesOn(sql)

test('an approval begins the execution that goes on, once, with the same model and parameters', async () => {
  await onStage('ask', async (tx, staged) => {
    await waiting(tx, staged)
    const decided = await as(tx, staged.owner, decide(staged.begun, 'approve'))
    expect(decided).toMatchObject({
      status: 'approved',
      waiting: 0,
      continuation: {
        continues: staged.begun.execution_id,
        status: 'running',
        session_id: staged.begun.session_id,
        message_id: staged.begun.response_message_id,
        params: { temperature: 0.5 },
        route: [{ name: 'only' }],
      },
    })
    expect(decided.continuation?.history.map(({ role }) => role)).toEqual(['user', 'assistant'])
    const again = await as(tx, staged.owner, decide(staged.begun, 'approve'))
    expect(again).toMatchObject({
      status: 'approved',
      continuation: null,
      continued_by: decided.continued_by,
    })
    expect(await refusal(tx, staged.owner, decide(staged.begun, 'deny'))).toBe(
      'PT409 tool_call_decided',
    )

    const next = { ...staged.begun, execution_id: decided.continued_by ?? '' }
    expect(await claim(tx, next)).toMatchObject([{ status: 'running', arguments: '{"q":1}' }])
    expect(await claim(tx, next), 'handed out once').toMatchObject([{ status: 'unknown' }])
    expect(await callRow(tx, staged)).toMatchObject({ runner_id: next.execution_id })
    await finishCall(tx, staged.begun, { status: 'success', result: { text: 'ok' } })
    await as(tx, 'service_role', finish({ ...staged.begun, ...next }))
    const late = await as(tx, staged.owner, decide(staged.begun, 'approve'))
    expect(late).toMatchObject({ status: 'success', continuation: null })
  })
})

test('a denial goes on too, and nothing is handed out', async () => {
  await onStage('ask', async (tx, staged) => {
    await waiting(tx, staged)
    const { status, continuation } = await as(tx, staged.owner, decide(staged.begun, 'deny'))
    expect(status).toBe('denied')
    if (continuation === null) throw new Error('nothing goes on')
    expect(await claim(tx, continuation)).toMatchObject([
      { status: 'denied', error_code: 'tool_call_denied' },
    ])
  })
})

test('nothing goes on before every call is decided', async () => {
  await onStage('ask', async (tx, staged) => {
    await waiting(tx, staged, ['a', 'b'])
    const first = await as(tx, staged.owner, decide(staged.begun, 'approve', 'call-a'))
    expect(first).toMatchObject({ waiting: 1, continuation: null, continued_by: null })
    const second = await as(tx, staged.owner, decide(staged.begun, 'deny', 'call-b'))
    if (second.continuation === null) throw new Error('nothing goes on')
    expect(await claim(tx, second.continuation)).toMatchObject([
      { tool_call_id: 'call-a', status: 'running' },
      { tool_call_id: 'call-b', status: 'denied' },
    ])
  })
})

test('only the person of the execution decides, and only after it has ended', async () => {
  await onStage('ask', async (tx, staged) => {
    await beginCalls(tx, staged.begun, [callOf(staged.server, staged.listed, 'search')])
    const approve = decide(staged.begun, 'approve')
    expect(await refusal(tx, staged.owner, approve)).toBe('PT409 execution_in_progress')
    await endWaiting(tx, staged.begun)
    const colleague = await addMember(tx, staged.owner.organizationId, 'admin')
    expect(await refusal(tx, colleague, approve)).toBe('PT404 execution_not_found')
    expect(await refusal(tx, await addOwner(tx), approve)).toBe('PT404 execution_not_found')
    expect(await refusal(tx, 'anon', approve)).toMatch(/^42501 /)
    expect(await refusal(tx, 'service_role', approve)).toMatch(/^42501 /)
    expect(await refusal(tx, staged.owner, decide(staged.begun, 'approve', 'other'))).toBe(
      'PT404 tool_call_not_found',
    )
    expect(await refusal(tx, staged.owner, decide(staged.begun, 'maybe'))).toBe(
      '22023 invalid_request',
    )
    await endMembership(tx, staged)
    expect(await refusal(tx, staged.owner, approve)).toBe('42501 no_organization')
    expect(await callRow(tx, staged)).toMatchObject({ status: 'pending' })
  })
})

test('an approval that comes too late is a denial, and so is one that nobody used in time', async () => {
  await onStage('ask', async (tx, staged) => {
    await waiting(tx, staged)
    await tx`update conversation.tool_approvals set expires_at = now() - interval '1 second'
      where execution_id = ${staged.begun.execution_id}`
    for (const attempt of [1, 2]) {
      const decided = await as(tx, staged.owner, decide(staged.begun, 'approve'))
      expect(decided, `attempt ${attempt}`).toMatchObject({ status: 'expired', continuation: null })
    }
    expect(await callRow(tx, staged)).toMatchObject({
      status: 'expired',
      error_code: 'tool_approval_expired',
    })
  })
  await onStage('ask', async (tx, staged) => {
    await waiting(tx, staged)
    const { continuation } = await as(tx, staged.owner, decide(staged.begun, 'approve'))
    if (continuation === null) throw new Error('nothing goes on')
    await tx`update conversation.tool_approvals set expires_at = now() - interval '1 second'
      where execution_id = ${staged.begun.execution_id}`
    expect(await claim(tx, continuation)).toMatchObject([{ status: 'expired' }])
  })
  for (const calls of [['a'], ['a', 'b']]) {
    await onStage('ask', async (tx, staged) => {
      await waiting(tx, staged, calls)
      // Of two, one is approved, which alone lets nothing go on.
      if (calls.length > 1) await as(tx, staged.owner, decide(staged.begun, 'approve', 'call-a'))
      await tx`update conversation.tool_approvals set expires_at = now() - interval '1 second'
        where execution_id = ${staged.begun.execution_id}`
      await as(tx, 'service_role', (t) => t`select public.expire_tool_approvals()`)
      const left = await tx`
        select status, error_code from conversation.tool_calls
        where execution_id = ${staged.begun.execution_id} order by position`
      expect([...left]).toEqual(
        calls.map(() => ({ status: 'expired', error_code: 'tool_approval_expired' })),
      )
    })
  }
})

test('what was approved is not made when anything the person saw has changed since', async () => {
  const changes: [string, (tx: TransactionSql, staged: Stage) => Promise<unknown>][] = [
    [
      'tool_call_changed',
      (tx, { begun }) => tx`update conversation.tool_calls set arguments = '{"q":2}'
        where execution_id = ${begun.execution_id}`,
    ],
    [
      'tool_changed',
      (tx, { owner, server }) => record(tx, owner, server, [definition('search', 'other')]),
    ],
    ['tool_off', (tx, { owner, server }) => setPolicy(tx, owner, server, 'off', 'search')],
    [
      'tool_not_available',
      (tx, { server }) =>
        tx`update public.mcp_configurations set endpoint = 'https://x.example/' where id = ${server}`,
    ],
  ]
  for (const [error_code, change] of changes) {
    await onStage('ask', async (tx, staged) => {
      await waiting(tx, staged)
      const { continuation } = await as(tx, staged.owner, decide(staged.begun, 'approve'))
      if (continuation === null) throw new Error('nothing goes on')
      await change(tx, staged)
      expect(await claim(tx, continuation), error_code).toMatchObject([
        { status: 'denied', error_code },
      ])
    })
  }
  for (const revoke of revocations) {
    await onStage('ask', async (tx, staged) => {
      await waiting(tx, staged)
      const { continuation } = await as(tx, staged.owner, decide(staged.begun, 'approve'))
      if (continuation === null) throw new Error('nothing goes on')
      await revoke(tx, staged)
      expect(await claim(tx, continuation)).toEqual([])
    })
  }
})

test('fifty decisions at once begin one execution', async () => {
  const staged = await sql.begin(async (tx) => {
    const made = await stage(tx, await addOwner(tx), 'ask')
    await waiting(tx, made)
    return made
  })
  const decisions = await Promise.all(
    Array.from({ length: 50 }, () =>
      committedAs(sql, staged.owner, decide(staged.begun, 'approve')),
    ),
  )
  expect(decisions.filter(({ continuation }) => continuation !== null)).toHaveLength(1)
  expect(new Set(decisions.map(({ continued_by }) => continued_by)).size).toBe(1)
})

test('of fifty approvals and denials at once one counts, and the others are told', async () => {
  const staged = await sql.begin(async (tx) => {
    const made = await stage(tx, await addOwner(tx), 'ask')
    await waiting(tx, made)
    return made
  })
  const said = await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const decision = index % 2 === 0 ? 'approve' : 'deny'
      const work = committedAs(sql, staged.owner, decide(staged.begun, decision))
      return { decision, result: await outcome(work) }
    }),
  )
  const [row] = await sql<[{ decision: string; status: string; continued: number }]>`
    select a.decision, t.status, (
      select count(*)::int from public.agent_executions x
      where x.metadata ->> 'continues' = t.execution_id::text
    ) as continued
    from conversation.tool_calls t join conversation.tool_approvals a using (organization_id, execution_id, tool_call_id)
    where t.execution_id = ${staged.begun.execution_id}`
  expect(row).toEqual({
    decision: row.decision,
    status: row.decision === 'approve' ? 'approved' : 'denied',
    continued: 1,
  })
  expect(said.map(({ decision, result }) => [decision, result])).toEqual(
    said.map(({ decision }) => [
      decision,
      decision === row.decision ? 'allowed' : 'PT409 tool_call_decided',
    ]),
  )
})
