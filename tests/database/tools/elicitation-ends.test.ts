import { expect, test } from 'vitest'
import { as, refusal } from '../../support/people/tenants.ts'
import { answer, asked, asking, secretsOf, suspend } from '../../support/rows/elicitation-rows.ts'
import { begin, finish } from '../../support/rows/executions.ts'
import { beginCalls, callOf, claim, decide, setPolicy } from '../../support/rows/tool-rows.ts'
import { callRow, revocations, stagesOn, waiting } from '../../support/rows/tool-stages.ts'
import { connectOwner } from '../../support/stack/database.ts'

const sql = connectOwner()
const onStage = stagesOn(sql)
const none = { request_state: null, answers: null }

test('a call is not repeated after its time, without access, with other arguments, or when it is off', async () => {
  const ways: [string, Parameters<typeof onStage>[1], string][] = [
    [
      'tool_off',
      async (tx, { owner, server }) => setPolicy(tx, owner, server, 'off', 'search'),
      'denied',
    ],
    [
      'tool_call_changed',
      async (tx) => void (await tx`update conversation.tool_calls set arguments = '{"q":2}'`),
      'denied',
    ],
    [
      'tool_approval_expired',
      async (tx) => void (await tx`update conversation.tool_elicitations set expires_at = now()`),
      'expired',
    ],
  ]
  for (const [error_code, change, status] of ways) {
    await onStage('auto', async (tx, staged) => {
      await asked(tx, staged)
      const { continuation } = await as(tx, staged.owner, answer(staged.begun))
      if (continuation === null) throw new Error('nothing goes on')
      await change(tx, staged)
      expect(await claim(tx, continuation)).toMatchObject([{ status, error_code, input: null }])
      expect(await secretsOf(tx, staged.begun)).toEqual(none)
    })
  }
  for (const revoke of revocations) {
    await onStage('auto', async (tx, staged) => {
      await asked(tx, staged)
      const { continuation } = await as(tx, staged.owner, answer(staged.begun))
      if (continuation === null) throw new Error('nothing goes on')
      await revoke(tx, staged)
      expect(await claim(tx, continuation)).toEqual([])
    })
  }
})

test('an answer that comes too late is refused, and a clean-up expires what nobody answers', async () => {
  await onStage('auto', async (tx, staged) => {
    await asked(tx, staged)
    await as(tx, 'service_role', (t) => t`select public.expire_tool_approvals()`)
    expect(await callRow(tx, staged), 'in time').toMatchObject({ status: 'pending' })
    await tx`update conversation.tool_elicitations set expires_at = now()`
    for (const attempt of [1, 2]) {
      const decided = await as(tx, staged.owner, answer(staged.begun))
      expect(decided, `attempt ${attempt}`).toMatchObject({ status: 'expired', continuation: null })
    }
    expect(await secretsOf(tx, staged.begun)).toEqual(none)
  })
  await onStage('auto', async (tx, staged) => {
    await asked(tx, staged)
    await tx`update conversation.tool_elicitations set expires_at = now()`
    await as(tx, 'service_role', (t) => t`select public.expire_tool_approvals()`)
    expect(await callRow(tx, staged)).toMatchObject({ error_code: 'tool_approval_expired' })
  })
})

test('a question after an approval has its own time', async () => {
  await onStage('ask', async (tx, staged) => {
    await waiting(tx, staged)
    const first = await as(tx, staged.owner, decide(staged.begun, 'approve'))
    const second = { ...staged.begun, execution_id: first.continued_by ?? '' }
    await claim(tx, second)
    await tx`update conversation.tool_approvals set expires_at = now()`
    await suspend(tx, staged.begun)
    await as(tx, 'service_role', finish(second, { ...asking, parts: null }))
    await as(tx, 'service_role', (t) => t`select public.expire_tool_approvals()`)
    expect(await as(tx, staged.owner, decide(staged.begun, 'approve'))).toMatchObject({
      ...{ status: 'pending', waiting: 1 },
    })
    expect((await as(tx, staged.owner, answer(staged.begun))).continuation).not.toBeNull()
  })
})

test('a new turn of the conversation denies the call and forgets its state', async () => {
  await onStage('auto', async (tx, staged) => {
    await asked(tx, staged)
    const { session_id } = staged.begun
    await as(tx, staged.owner, begin({ content: 'never mind', session_id }))
    expect(await callRow(tx, staged)).toMatchObject({ error_code: 'tool_call_superseded' })
    expect(await secretsOf(tx, staged.begun)).toEqual(none)
    expect(await refusal(tx, staged.owner, answer(staged.begun))).toBe('PT409 tool_call_decided')
  })
})

test('a call waits in a running execution alone, in rounds that rise up to 8', async () => {
  await onStage('auto', async (tx, staged) => {
    const { begun, server, listed } = staged
    expect(await suspend(tx, begun), 'no such call').toBe('')
    await beginCalls(tx, begun, [callOf(server, listed, 'search')])
    const refuses = (changes: object) =>
      refusal(tx, 'service_role', (t) => suspend(t, begun, changes))
    for (const changes of [{ round: 9 }, { round: 0 }, { asked: {} }]) {
      expect(await refuses(changes)).toMatch(/^23514 /)
    }
    expect(await refuses({ asked: [{ message: 'x'.repeat(70_000) }] })).toMatch(/^23514 /)
    await tx`update public.agent_executions set cancel_requested_at = now() where id = ${begun.execution_id}`
    expect(await suspend(tx, begun)).toBe('cancelling')
    await tx`update public.agent_executions set cancel_requested_at = null where id = ${begun.execution_id}`
    expect(await suspend(tx, begun, { round: 2 })).toBe('pending')
    expect(await suspend(tx, begun, { round: 2 }), 'a second call changes nothing').toBe('pending')
    await tx`update conversation.tool_calls set status = 'running', runner_id = execution_id`
    expect(await refuses({ round: 2 })).toBe('22023 invalid_request')
    await as(tx, 'service_role', finish(begun, { status: 'cancelled', latency_ms: 1 }))
    expect(await suspend(tx, begun, { round: 3 })).toBe('unknown')
  })
  for (const revoke of revocations) {
    await onStage('auto', async (tx, staged) => {
      await beginCalls(tx, staged.begun, [callOf(staged.server, staged.listed, 'search')])
      await revoke(tx, staged)
      expect(await suspend(tx, staged.begun)).not.toBe('pending')
    })
  }
})

test('a question of an execution that failed afterwards is answered by nobody', async () => {
  await onStage('auto', async (tx, staged) => {
    await beginCalls(tx, staged.begun, [callOf(staged.server, staged.listed, 'search')])
    await suspend(tx, staged.begun)
    const failed = { status: 'failed', error_code: 'interrupted', latency_ms: 1 }
    await as(tx, 'service_role', finish(staged.begun, failed))
    expect(await refusal(tx, staged.owner, answer(staged.begun))).toBe('PT409 tool_call_decided')
  })
})

test('a key that changes seals the state and the answers again', async () => {
  await onStage('auto', async (tx, staged) => {
    await asked(tx, staged)
    await as(tx, staged.owner, answer(staged.begun))
    const row = `${staged.begun.execution_id} 1 call-search`
    const rows = await as(
      tx,
      'service_role',
      (t) => t`
      select column_name, public.reseal_value(
        table_name, organization_id, row_key, column_name, value, 'v1.new.n.c') as replaced
      from public.list_sealed_values('new', null, 1000) where row_key = ${row} order by column_name`,
    )
    expect(rows).toMatchObject([
      { column_name: 'answers', replaced: true },
      { column_name: 'request_state', replaced: true },
    ])
    const changed = { request_state: 'v1.new.n.c', answers: 'v1.new.n.c' }
    expect(await secretsOf(tx, staged.begun)).toEqual(changed)
  })
})
