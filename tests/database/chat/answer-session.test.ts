import { randomUUID } from 'node:crypto'
import type { TransactionSql } from 'postgres'
import { describe, expect, test } from 'vitest'
import { as, refusal } from '../../support/people/tenants.ts'
import { begin, finish, outcomes } from '../../support/rows/executions.ts'
import {
  answer,
  type Desk,
  handBack,
  handlingOf,
  openDesk,
  queue,
  takeOver,
} from '../../support/rows/people-answer.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const scene = (fn: (tx: TransactionSql, desk: Desk) => Promise<void>) =>
  rolledBack(sql, async (tx) => fn(tx, await openDesk(tx)))

describe('an answer of a person', () => {
  test('follows the shown branch, names its author, and never shows an address', async () => {
    await scene(async (tx, { customer, owner, ada, begun, session }) => {
      await as(tx, ada, takeOver(session))
      const said = await as(tx, ada, answer(session, 'I am Ada.'))
      expect(said).toMatchObject({ parent_id: begun.response_message_id })
      const read = (t: TransactionSql) => t`
        select role, author_id, user_id, metadata from public.chat_messages where id = ${said?.id ?? ''}`
      expect(await as(tx, customer, read)).toEqual([
        {
          role: 'assistant',
          author_id: ada.id,
          user_id: customer.id,
          metadata: { author: { type: 'person', name: 'Ada' } },
        },
      ])
      for (const name of [null, 'ada@example.com']) {
        await tx`update public.users set display_name = ${name} where id = ${ada.id}`
        const { id = '' } = (await as(tx, ada, answer(session, 'Again.'))) ?? {}
        const [row] = await tx<{ name: string; organization: string }[]>`
          select m.metadata #>> '{author,name}' as name, o.name as organization
          from public.chat_messages m join public.organizations o on o.id = m.organization_id
          where m.id = ${id} and o.id = ${owner.organizationId}`
        expect(row?.name).toBe(row?.organization)
      }
    })
  })

  test('is stored once by its id: a repetition gives it again, another content or person does not', async () => {
    await scene(async (tx, { ada, bob, session, begun }) => {
      await as(tx, ada, takeOver(session))
      const id = randomUUID()
      const first = await as(tx, ada, answer(session, 'Once.', id))
      expect(await as(tx, ada, answer(session, 'Once.', id))).toEqual(first)
      expect(await refusal(tx, ada, answer(session, 'Twice.', id))).toBe(
        '23505 idempotency_conflict',
      )
      expect(await refusal(tx, ada, answer(session, 'Hi', begun.message_id))).toBe(
        '23505 idempotency_conflict',
      )
      await as(tx, ada, handBack(session))
      expect(await as(tx, ada, answer(session, 'Once.', id))).toEqual(first)
      expect(await refusal(tx, ada, answer(session, 'New.'))).toBe('PT409 session_not_handled')
      await as(tx, bob, takeOver(session))
      expect(await refusal(tx, bob, answer(session, 'Once.', id))).toBe(
        '23505 idempotency_conflict',
      )
      expect(
        await tx`select content from public.chat_messages where session_id = ${session} and author_id is not null`,
      ).toEqual([{ content: 'Once.' }])
    })
  })

  test('is a text of 1 to 262144 bytes', async () => {
    await scene(async (tx, { ada, session }) => {
      await as(tx, ada, takeOver(session))
      for (const content of [null, '', ' \n', 'ä'.repeat(131_073)]) {
        expect(await refusal(tx, ada, answer(session, content))).toBe('22023 invalid_request')
      }
      await as(tx, ada, answer(session, 'ä'.repeat(131_072)))
    })
  })

  test('counts in the bytes that the customer’s conversations keep, and goes with the session', async () => {
    await scene(async (tx, { customer, ada, session }) => {
      const kept = async () => {
        const rows = await tx<{ bytes: string }[]>`
          select w.stored_bytes - coalesce(sum(r.bytes), 0) as bytes from private.rate_windows w
          left join private.stored_returns r on r.rate_window_id = w.id
          where w.organization_id = ${customer.organizationId}
          group by w.id, w.stored_bytes, w.user_id order by w.user_id nulls first`
        return rows.map(({ bytes }) => Number(bytes))
      }
      const before = await kept()
      await as(tx, ada, takeOver(session))
      await as(tx, ada, answer(session, 'x'.repeat(5_000)))
      expect(await kept()).toEqual(before.map((bytes) => bytes + 6_024))
      await as(tx, customer, (t) => t`delete from public.chat_sessions where id = ${session}`)
      expect(await kept()).toEqual(before.map(() => 0))
    })
  })

  test('is audited by ids, without its content', async () => {
    await scene(async (tx, { owner, ada, session }) => {
      await as(tx, ada, takeOver(session))
      await as(tx, ada, answer(session, 'secret words'))
      await as(tx, ada, handBack(session, 'secret note'))
      const events = await tx<{ action: string; user_id: string; payload: string }[]>`
        select action, user_id, payload from public.audit_logs
        where organization_id = ${owner.organizationId} and action like 'session.%' order by sequence`
      expect(events.map(({ action }) => action)).toEqual([
        'session.take_over',
        'session.answer',
        'session.hand_back',
      ])
      expect(new Set(events.map(({ user_id }) => user_id))).toEqual(new Set([ada.id]))
      expect(JSON.stringify(events)).not.toContain('secret')
    })
  })
})

describe('while a person has a session', () => {
  test('the customer’s message is stored and no model is called, whatever a model would refuse', async () => {
    await scene(async (tx, { customer, ada, session, begun }) => {
      await as(tx, ada, takeOver(session))
      await tx`
        insert into client_mgmt.budgets (organization_id, period, limit_tokens)
        values (${customer.organizationId}, 'day', 1)`
      await tx`
        update public.models set enabled = false where organization_id = ${customer.organizationId}`
      const args = { session_id: session, content: 'Are you there?', id: randomUUID() }
      const left = await as(tx, customer, begin(args))
      expect(left).toMatchObject({
        status: 'success',
        replayed: false,
        message_id: args.id,
        result: { status: 'success', finish_reason: 'person_answers', message: null },
      })
      expect(await as(tx, customer, begin(args))).toMatchObject({
        execution_id: left.execution_id,
        replayed: true,
        result: { finish_reason: 'person_answers' },
      })
      const stored = await tx`
        select content, parent_id from public.chat_messages where id = ${args.id}`
      expect(stored).toEqual([{ content: 'Are you there?', parent_id: begun.response_message_id }])
      for (const table of ['client_mgmt.usage_ledger', 'client_mgmt.budget_reservations']) {
        const rows = await tx.unsafe(
          `select from ${table} where execution_id = '${left.execution_id}'`,
        )
        expect(rows).toHaveLength(0)
      }
      expect(await as(tx, ada, queue)).toMatchObject([
        { session_id: session, handled_by: ada.id, message: 'Are you there?' },
      ])
      await as(tx, ada, answer(session, 'Yes.'))
      expect(await as(tx, ada, queue)).toEqual([])
    })
  })

  test('a queued message joins the branch at its turn and says that a person answers', async () => {
    await scene(async (tx, { customer, ada, session }) => {
      const first = await as(tx, customer, begin({ session_id: session, content: 'One' }))
      const second = await as(
        tx,
        customer,
        begin({ session_id: session, content: 'Two', on_busy: 'queue' }),
      )
      expect(second.status).toBe('pending')
      await as(tx, ada, takeOver(session))
      await as(tx, 'service_role', finish(first, outcomes.cancelled))
      const [row] = await as(
        tx,
        customer,
        (t) => t<{ result: { status: string } }[]>`
          select public.start_execution(${second.execution_id}) as result`,
      )
      expect(row?.result).toMatchObject({ status: 'success' })
      expect(await handlingOf(tx, session)).toEqual({
        handled_by: ada.id,
        is_waiting: true,
        current_message_id: second.message_id,
      })
      const [ended] = await tx`
        select finish_reason from public.agent_executions where id = ${second.execution_id}`
      expect(ended).toEqual({ finish_reason: 'person_answers' })
      expect(
        await tx`select from client_mgmt.usage_ledger where execution_id = ${second.execution_id}`,
      ).toHaveLength(0)
    })
  })

  test('a worker that writes an answer is told to stop, and after a hand-back to go on', async () => {
    await scene(async (tx, { customer, ada, session }) => {
      const { organization_id, execution_id } = await as(
        tx,
        customer,
        begin({ session_id: session, content: 'One' }),
      )
      const look = async () => {
        const [row] = await as(
          tx,
          'service_role',
          (t) => t<{ state: string }[]>`
            select public.renew_execution_lease(${organization_id}, ${execution_id}) as state`,
        )
        return row?.state
      }
      expect(await look()).toBe('running')
      await as(tx, ada, takeOver(session))
      expect(await look()).toBe('handled')
      expect((await handlingOf(tx, session)).is_waiting).toBe(true)
      await as(tx, ada, handBack(session))
      expect(await look()).toBe('running')
    })
  })

  test('an answer that a model ends late is kept, and does not end the wait of a later message', async () => {
    await scene(async (tx, { customer, ada, session }) => {
      const late = await as(tx, customer, begin({ session_id: session, content: 'One' }))
      await as(tx, ada, takeOver(session))
      const next = await as(tx, customer, begin({ session_id: session, content: 'Two' }))
      await as(tx, 'service_role', finish(late))
      expect(await handlingOf(tx, session)).toMatchObject({
        is_waiting: true,
        current_message_id: next.message_id,
      })
    })
  })
})
