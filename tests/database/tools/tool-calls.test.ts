import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, outcome, refusal } from '../../support/people/tenants.ts'
import { finish } from '../../support/rows/executions.ts'
import {
  beginCalls,
  callOf,
  definition,
  finishCall,
  record,
  setPolicy,
  type Stage,
  stage,
} from '../../support/rows/tool-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'
import { revocations, stagesOn, waiting } from '../../support/rows/tool-stages.ts'

const sql = connectOwner()
const onStage = stagesOn(sql)

test('auto runs at once, ask waits with the arguments’ hash, off is denied', async () => {
  for (const [policy, status, code] of [
    ['auto', 'running', null],
    ['ask', 'pending', null],
    ['off', 'denied', 'tool_off'],
    [undefined, 'pending', null],
  ] as const) {
    await onStage(policy, async (tx, staged) => {
      const listed = await record(tx, staged.owner, staged.server, [definition('search')])
      const [pinned] = await tx<{ definition_hash: string }[]>`
        select definition_hash from client_mgmt.mcp_tools where mcp_configuration_id = ${staged.server}`
      const call = callOf(staged.server, listed, 'search', {
        definition_hash: pinned?.definition_hash,
      })
      const begun = await beginCalls(tx, staged.begun, [call])
      expect(begun.calls, policy).toEqual([
        { tool_call_id: 'call-search', status, error_code: code },
      ])
      const approvals = await tx`
        select arguments_hash = encode(sha256('{"q":1}'), 'hex') as exact, decision, expires_at > now() as ahead
        from conversation.tool_approvals where execution_id = ${staged.begun.execution_id}`
      expect([...approvals]).toEqual(
        status === 'pending' ? [{ exact: true, decision: null, ahead: true }] : [],
      )
    })
  }
})

test('what may be called is decided when it is called, not when the execution began', async () => {
  const changes: [string, string, (tx: TransactionSql, staged: Stage) => Promise<unknown>][] = [
    [
      'denied',
      'tool_off',
      (tx, { owner, server }) => setPolicy(tx, owner, server, 'off', 'search'),
    ],
    [
      'denied',
      'tool_changed',
      (tx, { owner, server }) => record(tx, owner, server, [definition('search', 'other')]),
    ],
    [
      'error',
      'tool_not_available',
      (tx, { server }) =>
        tx`update public.mcp_configurations set enabled = false where id = ${server}`,
    ],
    [
      'error',
      'tool_not_available',
      (tx, { server }) =>
        tx`update public.mcp_configurations set endpoint = 'https://x.example/' where id = ${server}`,
    ],
  ]
  for (const [status, error_code, change] of changes) {
    await onStage('auto', async (tx, staged) => {
      await change(tx, staged)
      const call = callOf(staged.server, staged.listed, 'search')
      const { calls } = await beginCalls(tx, staged.begun, [call])
      expect(calls, error_code).toMatchObject([{ status, error_code }])
    })
  }
  for (const revoke of revocations) {
    await onStage('auto', async (tx, staged) => {
      await revoke(tx, staged)
      const call = callOf(staged.server, staged.listed, 'search')
      expect(await beginCalls(tx, staged.begun, [call])).toEqual({ status: 'revoked' })
    })
  }
})

test('a call of another organization’s server, or with another definition than the pinned one, is not made', async () => {
  await onStage('auto', async (tx, staged) => {
    const other = await stage(tx, await addOwner(tx), 'auto')
    const { calls } = await beginCalls(tx, staged.begun, [
      callOf(other.server, other.listed, 'search', { tool_call_id: 'foreign' }),
      callOf(staged.server, staged.listed, 'search', {
        tool_call_id: 'made-up',
        definition_hash: 'ff',
      }),
      { tool_call_id: 'refused', name: 'x', arguments: '{', refusal: 'tool_arguments_invalid' },
    ])
    expect(calls).toEqual([
      { tool_call_id: 'foreign', status: 'error', error_code: 'tool_not_available' },
      { tool_call_id: 'made-up', status: 'denied', error_code: 'tool_changed' },
      { tool_call_id: 'refused', status: 'error', error_code: 'tool_arguments_invalid' },
    ])
    const rows = await tx`
      select mcp_configuration_id from conversation.tool_calls where tool_call_id = 'foreign'`
    expect([...rows]).toEqual([{ mcp_configuration_id: null }])
  })
})

test('an execution that has ended, or is to end, begins no call', async () => {
  await onStage('auto', async (tx, staged) => {
    const call = callOf(staged.server, staged.listed, 'search')
    await as(
      tx,
      staged.owner,
      (t) => t`select public.cancel_execution(${staged.begun.execution_id})`,
    )
    expect(await beginCalls(tx, staged.begun, [call])).toEqual({ status: 'cancelling' })
    await as(tx, 'service_role', finish(staged.begun))
    expect(await beginCalls(tx, staged.begun, [call])).toEqual({ status: 'success' })
    expect(
      await tx`select 1 from conversation.tool_calls where execution_id = ${staged.begun.execution_id}`,
    ).toHaveLength(0)
  })
})

test('an outcome is stored once, and only of a call that runs', async () => {
  await onStage('auto', async (tx, staged) => {
    await beginCalls(tx, staged.begun, [callOf(staged.server, staged.listed, 'search')])
    expect(
      await finishCall(tx, staged.begun, { status: 'success', result: { text: 'found' } }),
    ).toBe('success')
    expect(
      await finishCall(tx, staged.begun, { status: 'error', error_code: 'tool_timeout' }),
    ).toBe('success')
    expect(await outcome(finishCall(tx, staged.begun, { status: 'approved' }))).toBe(
      '22023 invalid_request',
    )
  })
})

test('a call that its worker left behind is unknown, and the next turn’s model is told', async () => {
  await onStage('auto', async (tx, staged) => {
    await beginCalls(tx, staged.begun, [
      callOf(staged.server, staged.listed, 'search', { tool_call_id: 'done' }),
      callOf(staged.server, staged.listed, 'search', { tool_call_id: 'left' }),
    ])
    await finishCall(tx, staged.begun, { status: 'success', result: { text: 'found' } }, 'done')
    await tx`update public.agent_executions set lease_expires_at = now() - interval '1 second'
      where id = ${staged.begun.execution_id}`
    await as(tx, 'service_role', (t) => t`select public.expire_execution_leases()`)
    const rows = await tx`
      select tool_call_id, status, error_code from conversation.tool_calls
      where execution_id = ${staged.begun.execution_id} order by position`
    expect([...rows]).toEqual([
      { tool_call_id: 'done', status: 'success', error_code: null },
      { tool_call_id: 'left', status: 'unknown', error_code: 'interrupted' },
    ])
    const [message] =
      await tx`select parts from public.chat_messages where id = ${staged.begun.response_message_id}`
    expect(message?.parts).toMatchObject([
      { type: 'tool_call', id: 'done' },
      { type: 'tool_call', id: 'left' },
      { type: 'tool_result', tool_call_id: 'done', content: 'found', is_error: false },
      {
        type: 'tool_result',
        tool_call_id: 'left',
        is_error: true,
        content: expect.stringMatching(/unknown/) as string,
      },
    ])
  })
})

test('calls are read by the readers of the execution', async () => {
  await onStage('ask', async (tx, staged) => {
    await waiting(tx, staged)
    const seen = async (actor: Parameters<typeof as>[1]) => {
      const count = (table: string) =>
        as(tx, actor, (t) => t.unsafe(`select 1 from conversation.${table}`))
      return [(await count('tool_calls')).length, (await count('tool_approvals')).length]
    }
    const colleague = await addMember(tx, staged.owner.organizationId)
    expect(await seen(staged.owner)).toEqual([1, 1])
    expect(await seen(colleague)).toEqual([0, 0])
    expect(await seen(await addOwner(tx))).toEqual([0, 0])
    await tx`update public.chat_sessions set visibility = 'organization' where id = ${staged.begun.session_id}`
    expect(await seen(colleague)).toEqual([1, 1])
  })
})

test('each step reserves its own part of the budget, and all of it is settled', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await tx`insert into client_mgmt.budgets (organization_id, period, limit_tokens)
      values (${owner.organizationId}, 'day', 10000)`
    const { begun } = await stage(tx, owner, 'auto')
    const counter = async () => {
      const [row] =
        await tx`select reserved_tokens::int, settled_tokens::int from client_mgmt.budget_counters
        where organization_id = ${owner.organizationId}`
      return { ...row }
    }
    const before = await counter()
    const reserve = (bytes: number | null) => (t: TransactionSql) =>
      t`select public.reserve_execution_step(${begun.organization_id}, ${begun.execution_id}, ${bytes}, 100)`
    await as(tx, 'service_role', reserve(200))
    expect(await counter()).toEqual({
      ...before,
      reserved_tokens: Number(before.reserved_tokens) + 300,
    })
    expect(await refusal(tx, 'service_role', reserve(1_000_000))).toBe('PT402 budget_exceeded')
    for (const unknown of [null, -1]) {
      expect(await refusal(tx, 'service_role', reserve(unknown))).toBe('22023 invalid_request')
    }
    expect(await counter()).toEqual({
      ...before,
      reserved_tokens: Number(before.reserved_tokens) + 300,
    })
    await as(
      tx,
      'service_role',
      finish(begun, {
        status: 'success',
        finish_reason: 'stop',
        content: 'x',
        input_tokens: 50,
        output_tokens: 7,
        latency_ms: 1,
      }),
    )
    expect(await counter()).toEqual({ reserved_tokens: 0, settled_tokens: 57 })
  })
})
