import { expect, test } from 'vitest'
import { addMember, addOwner, as, committedAs, refusal } from '../../support/people/tenants.ts'
import {
  answer,
  asked,
  asking,
  questions,
  sealed,
  secretsOf,
  suspend,
} from '../../support/rows/elicitation-rows.ts'
import { finish } from '../../support/rows/executions.ts'
import { claim, decide, finishCall, stage } from '../../support/rows/tool-rows.ts'
import { callRow, stagesOn, waiting } from '../../support/rows/tool-stages.ts'
import { connectOwner } from '../../support/stack/database.ts'

const sql = connectOwner()
const onStage = stagesOn(sql)
const none = { request_state: null, answers: null }

test('a call that asks waits, and an answer begins the execution that makes it again, once', async () => {
  await onStage('auto', async (tx, staged) => {
    await asked(tx, staged)
    expect(await callRow(tx, staged)).toMatchObject({ status: 'pending', runner_id: null })
    const decided = await as(tx, staged.owner, answer(staged.begun))
    expect(decided).toMatchObject({
      ...{ status: 'approved', waiting: 0 },
      continuation: {
        continues: staged.begun.execution_id,
        message_id: staged.begun.response_message_id,
        params: { temperature: 0.5 },
      },
    })
    const again = await as(tx, staged.owner, answer(staged.begun))
    expect(again).toMatchObject({ continuation: null, continued_by: decided.continued_by })
    const next = { ...staged.begun, execution_id: decided.continued_by ?? '' }
    expect(await claim(tx, next)).toMatchObject([
      {
        ...{ status: 'running', arguments: '{"q":1}' },
        input: { round: 1, questions, request_state: sealed, answers: sealed },
      },
    ])
    expect(await secretsOf(tx, staged.begun), 'handed out once').toEqual(none)
    expect(await claim(tx, next)).toMatchObject([{ status: 'unknown', input: null }])
    await finishCall(tx, staged.begun, { status: 'success', result: { text: 'ok' } })
    expect(await as(tx, staged.owner, answer(staged.begun))).toMatchObject({
      ...{ status: 'success', continuation: null, continued_by: decided.continued_by },
    })
  })
})

test('a call that asks again waits again: no message stands between, and other calls keep their ends', async () => {
  await onStage('ask', async (tx, staged) => {
    await waiting(tx, staged, ['a', 'b'])
    await as(tx, staged.owner, decide(staged.begun, 'approve', 'call-a'))
    const first = await as(tx, staged.owner, decide(staged.begun, 'approve', 'call-b'))
    const second = { ...staged.begun, execution_id: first.continued_by ?? '' }
    await claim(tx, second)
    const ended = { status: 'success', result: { text: 'ok' } }
    await finishCall(tx, staged.begun, ended, 'call-a')
    expect(await suspend(tx, staged.begun, { call: 'call-b' })).toBe('pending')
    const early = answer(staged.begun, { call: 'call-b' })
    expect(await refusal(tx, staged.owner, early)).toBe('PT409 execution_in_progress')
    const outcome = { ...asking, parts: null, input_tokens: 0, output_tokens: 0, total_tokens: 0 }
    await as(tx, 'service_role', finish(second, outcome))
    const [row] = await tx`
      select x.cost_usd, x.input_tokens::int, x.metadata ->> 'usage_is_estimated' as estimated,
        m.id as message
      from public.agent_executions x left join public.chat_messages m on m.id = x.response_message_id
      where x.id = ${second.execution_id}`
    expect(row).toMatchObject({ input_tokens: 0, estimated: null, message: null })
    expect(Number(row?.['cost_usd'] ?? 0)).toBe(0)

    const answered = await as(tx, staged.owner, early)
    expect(answered.continuation).toMatchObject({ message_id: staged.begun.response_message_id })
    const third = { ...staged.begun, execution_id: answered.continued_by ?? '' }
    expect(third.execution_id).not.toBe(second.execution_id)
    expect(await claim(tx, third)).toMatchObject([
      { tool_call_id: 'call-a', status: 'success', result: { text: 'ok' }, input: null },
      { tool_call_id: 'call-b', status: 'running', input: { round: 1 } },
    ])
    // The second round replaces the first.
    expect(await suspend(tx, staged.begun, { call: 'call-b', round: 2 })).toBe('pending')
    await as(tx, 'service_role', finish(third, outcome))
    expect(await refusal(tx, staged.owner, early)).toBe('PT409 tool_call_decided')
    const late = answer(staged.begun, { call: 'call-b', round: 2 })
    expect((await as(tx, staged.owner, late)).continuation).not.toBeNull()
  })
})

test('an answer to a question of an execution that was cancelled meanwhile is still brought', async () => {
  await onStage('auto', async (tx, staged) => {
    await asked(tx, staged)
    const first = await as(tx, staged.owner, answer(staged.begun))
    const second = { ...staged.begun, execution_id: first.continued_by ?? '' }
    await claim(tx, second)
    await suspend(tx, staged.begun, { round: 2 })
    await as(tx, 'service_role', finish(second, { status: 'cancelled', latency_ms: 1 }))
    const next = await as(tx, staged.owner, answer(staged.begun, { round: 2 }))
    expect(next.continuation).not.toBeNull()
    expect(next.continued_by).not.toBe(first.continued_by)
  })
})

test('of two different answers the first counts, and the second is told', async () => {
  await onStage('auto', async (tx, staged) => {
    await asked(tx, staged)
    await as(tx, staged.owner, answer(staged.begun))
    for (const other of [{ digit: 'b' }, { round: 2 }, { digit: 'b', actions: { q: 'decline' } }]) {
      expect(await refusal(tx, staged.owner, answer(staged.begun, other))).toBe(
        'PT409 tool_call_decided',
      )
    }
  })
})

test('two devices that answer at once begin one execution', async () => {
  const staged = await sql.begin(async (tx) => {
    const made = await stage(tx, await addOwner(tx), 'auto')
    await asked(tx, made)
    return made
  })
  const results = await Promise.allSettled(
    ['a', 'b', 'a', 'b'].map((digit) =>
      committedAs(sql, staged.owner, answer(staged.begun, { digit })),
    ),
  )
  const taken = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  expect(new Set(taken.map(({ continued_by }) => continued_by)).size).toBe(1)
  expect(taken).toHaveLength(2)
  const begun = await sql`
    select 1 from public.agent_executions
    where metadata ->> 'continues' = ${staged.begun.execution_id}`
  expect(begun).toHaveLength(1)
})

test('only the person of the execution answers, its own questions, with an action for each', async () => {
  await onStage('auto', async (tx, staged) => {
    await asked(tx, staged)
    const { begun, owner } = staged
    const colleague = await addMember(tx, owner.organizationId, 'admin')
    expect(await refusal(tx, colleague, answer(begun))).toBe('PT404 execution_not_found')
    expect(await refusal(tx, await addOwner(tx), answer(begun))).toBe('PT404 execution_not_found')
    expect(await refusal(tx, 'anon', answer(begun))).toMatch(/^42501 /)
    expect(await refusal(tx, 'service_role', answer(begun))).toMatch(/^42501 /)
    expect(await refusal(tx, owner, answer(begun, { call: 'other' }))).toBe(
      'PT404 tool_call_not_found',
    )
    for (const actions of [{}, [], { q: 'maybe' }, { q: null }, { q: 'accept', r: 'accept' }]) {
      expect(await refusal(tx, owner, answer(begun, { actions }))).toBe('22023 invalid_request')
    }
    for (const digit of ['', 'x']) {
      expect(await refusal(tx, owner, answer(begun, { digit }))).toBe('22023 invalid_request')
    }
    const plain = (t: typeof tx) => t`
      select public.answer_tool_call(${begun.execution_id}, 'call-search', 1, '{"q":"accept"}', 'plain',
        ${'a'.repeat(64)})`
    expect(await refusal(tx, owner, plain)).toMatch(/^23514 /)
    expect(await callRow(tx, staged)).toMatchObject({ status: 'pending' })
    expect(await secretsOf(tx, begun)).toEqual({ request_state: sealed, answers: null })
  })
})

test('a reader of the session sees the questions and no secret', async () => {
  await onStage('auto', async (tx, staged) => {
    await asked(tx, staged)
    const read = (t: typeof tx) => t`
      select questions, public.read_elicitation(execution_id, tool_call_id) as read
      from conversation.tool_elicitations`
    expect(await as(tx, staged.owner, read)).toMatchObject([
      { questions, read: { organization_id: staged.owner.organizationId, round: 1, questions } },
    ])
    expect(await as(tx, await addOwner(tx), read)).toEqual([])
    const secrets = (t: typeof tx) => t`select * from private.elicitation_secrets`
    for (const who of [staged.owner, 'service_role', 'anon'] as const) {
      expect(await refusal(tx, who, secrets)).toMatch(/^42501 /)
    }
    const suspending = (t: typeof tx) => t`
      select public.suspend_tool_call(1, null, '', 1, '[]', '', '{}')`
    expect(await refusal(tx, staged.owner, suspending)).toMatch(/^42501 /)
  })
})
