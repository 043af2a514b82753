import { expect, test } from 'vitest'
import { addMember, as, refusal } from '../../support/people/tenants.ts'
import { begin, type BeginArguments, finish } from '../../support/rows/executions.ts'
import { claim, decide, finishCall } from '../../support/rows/tool-rows.ts'
import { connectOwner } from '../../support/stack/database.ts'
import { callRow, stagesOn, waiting } from '../../support/rows/tool-stages.ts'

const sql = connectOwner()
const onStage = stagesOn(sql)

test('a conversation that goes on denies what it leaves undecided', async () => {
  await onStage('ask', async (tx, staged) => {
    await waiting(tx, staged)
    // A session of its own changes nothing.
    await as(tx, staged.owner, begin({ agent: 'droid' }))
    expect(await callRow(tx, staged)).toMatchObject({ status: 'pending' })
    await as(
      tx,
      staged.owner,
      begin({ content: 'never mind', session_id: staged.begun.session_id }),
    )
    expect(await callRow(tx, staged)).toMatchObject({
      status: 'denied',
      error_code: 'tool_call_superseded',
    })
    expect(await refusal(tx, staged.owner, decide(staged.begun, 'approve'))).toMatch(/^PT409 /)
  })
})

test('a refused continuation leaves the call undecided', async () => {
  await onStage('ask', async (tx, staged) => {
    await waiting(tx, staged)
    await tx`update client_mgmt.organization_limits set max_concurrent_executions = 1
      where organization_id = ${staged.owner.organizationId}`
    const colleague = await addMember(tx, staged.owner.organizationId)
    await as(tx, colleague, begin({ agent: 'droid' }))
    expect(await refusal(tx, staged.owner, decide(staged.begun, 'approve'))).toBe(
      'PT429 too_many_executions',
    )
    expect(await callRow(tx, staged)).toMatchObject({ status: 'pending' })
  })
})

test('a continuation that died before it made the call can be asked for again', async () => {
  await onStage('ask', async (tx, staged) => {
    await waiting(tx, staged)
    const first = await as(tx, staged.owner, decide(staged.begun, 'approve'))
    const next = { ...staged.begun, execution_id: first.continued_by ?? '' }
    const died = { status: 'failed', error_code: 'interrupted', latency_ms: 1 }
    await as(tx, 'service_role', finish(next, died))
    const second = await as(tx, staged.owner, decide(staged.begun, 'approve'))
    expect(second.continuation).not.toBeNull()
    expect(second.continued_by).not.toBe(first.continued_by)
    const third = { ...staged.begun, execution_id: second.continued_by ?? '' }
    await claim(tx, third)
    await as(tx, 'service_role', finish(third, died))
    expect(await callRow(tx, staged)).toMatchObject({ status: 'unknown' })
    const last = await as(tx, staged.owner, decide(staged.begun, 'approve'))
    expect(last, 'a call that may have been made is never made again').toMatchObject({
      status: 'unknown',
      continuation: null,
    })
  })
})

test('every branch knows of a call that was made, and asking again asks the person’s question', async () => {
  await onStage('ask', async (tx, staged) => {
    await waiting(tx, staged)
    const { continuation } = await as(tx, staged.owner, decide(staged.begun, 'approve'))
    if (continuation === null) throw new Error('nothing goes on')
    await claim(tx, continuation)
    await finishCall(tx, staged.begun, { status: 'success', result: { text: 'sent' } })
    await as(tx, 'service_role', finish({ ...staged.begun, ...continuation }))

    const beside = async (args: BeginArguments) => {
      const session_id = staged.begun.session_id
      const begun = await as(tx, staged.owner, begin({ ...args, session_id }))
      await as(tx, 'service_role', finish(begun))
      return begun
    }
    const branch = await beside({
      content: 'And now?',
      parent_id: staged.begun.response_message_id,
    })
    expect(branch.history.at(1)).toMatchObject({
      role: 'assistant',
      parts: [
        { type: 'tool_call', id: 'call-search' },
        { type: 'tool_result', tool_call_id: 'call-search', content: 'sent' },
      ],
    })
    const again = await beside({ regenerate: continuation.response_message_id })
    expect(again.message_id).toBe(staged.begun.message_id)
    expect(again.history).toHaveLength(1)
  })
})
