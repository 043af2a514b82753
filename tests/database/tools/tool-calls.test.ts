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
import { begin, type BeginArguments, finish } from '../../support/rows/executions.ts'
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
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const onStage = (
  policy: 'auto' | 'ask' | 'off' | undefined,
  fn: (tx: TransactionSql, stage: Stage) => Promise<void>,
) => rolledBack(sql, async (tx) => fn(tx, await stage(tx, await addOwner(tx), policy)))

async function callRow(tx: TransactionSql, { begun }: Pick<Stage, 'begun'>) {
  const [row] = await tx`
    select status, error_code, runner_id from conversation.tool_calls where execution_id = ${begun.execution_id}`
  return { ...row }
}

/** The execution asked for one call and ended, to wait for the person. */
async function waiting(tx: TransactionSql, staged: Stage, calls = ['search']) {
  const made = calls.map((id) =>
    callOf(staged.server, staged.listed, 'search', { tool_call_id: `call-${id}` }),
  )
  await beginCalls(tx, staged.begun, made, { params: { temperature: 0.5 } })
  await endWaiting(tx, staged.begun)
}

/** The person leaves; another owner stays. */
async function endMembership(tx: TransactionSql, { owner }: Stage) {
  await addMember(tx, owner.organizationId, 'owner')
  await tx`update client_mgmt.client_users set ended_at = now() where user_id = ${owner.id}`
}

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

/** Each ends the person's access to the organization. */
const revocations: ((tx: TransactionSql, staged: Stage) => Promise<unknown>)[] = [
  (tx, { owner }) => tx`update public.users set is_active = false where id = ${owner.id}`,
  (tx, staged) => endMembership(tx, staged),
]

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
    const reserve = (bytes: number) => (t: TransactionSql) =>
      t`select public.reserve_execution_step(${begun.organization_id}, ${begun.execution_id}, ${bytes}, 100)`
    await as(tx, 'service_role', reserve(200))
    expect(await counter()).toEqual({
      ...before,
      reserved_tokens: Number(before.reserved_tokens) + 300,
    })
    expect(await refusal(tx, 'service_role', reserve(1_000_000))).toBe('PT402 budget_exceeded')
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
