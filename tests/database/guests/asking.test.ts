import type { TransactionSql } from 'postgres'
import { describe, expect, test } from 'vitest'
import { addSupport, beginAs } from '../../support/people/guests.ts'
import { addMember, addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import { finish } from '../../support/rows/executions.ts'
import {
  answer,
  handBack,
  handlingOf,
  openDesk,
  queue,
  takeOver,
} from '../../support/rows/people-answer.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const message = { content: 'hello' }
const ask = (session: string) => (tx: TransactionSql) =>
  tx`select * from public.ask_for_person(${session})`

/** A guest's conversation with one answer of the model, and a member who may answer in it. */
const scene = (
  work: (
    tx: TransactionSql,
    made: Awaited<ReturnType<typeof addSupport>> & { session: string; ada: Member },
  ) => Promise<void>,
) =>
  rolledBack(sql, async (tx) => {
    const support = await addSupport(tx)
    const ada = await addMember(tx, support.owner.organizationId, 'member', ['sessions.answer'])
    const begun = await beginAs(tx, support.guest, { message })
    await as(tx, 'service_role', finish(begun))
    await work(tx, { ...support, ada, session: begun.session_id })
  })

const modelAnswers = async (tx: TransactionSql, guest: Member, session: string) =>
  as(tx, 'service_role', finish(await beginAs(tx, guest, { message, session_id: session })))

describe('a guest who asks for a person', () => {
  test('waits until a person answers, also while the model answers', async () => {
    await scene(async (tx, { guest, ada, session }) => {
      expect(await as(tx, ada, queue)).toEqual([])
      expect(await as(tx, guest, ask(session))).toMatchObject([
        { session_id: session, handled_by: null, waiting_since: expect.any(Date) as unknown },
      ])
      expect(await as(tx, ada, queue)).toMatchObject([{ session_id: session, asks_person: true }])
      await modelAnswers(tx, guest, session)
      expect(await as(tx, ada, queue)).toMatchObject([{ session_id: session, asks_person: true }])
      await as(tx, ada, takeOver(session))
      await as(tx, ada, answer(session, 'Here I am.'))
      expect(await as(tx, ada, queue)).toEqual([])
      await as(tx, ada, handBack(session))
      expect(await as(tx, guest, ask(session))).toHaveLength(1)
      expect(await as(tx, ada, queue)).toHaveLength(1)
    })
  })

  test('waits no longer for a person after a hand-back: the next answer of the model ends the wait', async () => {
    await scene(async (tx, { guest, ada, session }) => {
      await as(tx, guest, ask(session))
      await as(tx, ada, takeOver(session))
      await as(tx, ada, handBack(session))
      await modelAnswers(tx, guest, session)
      expect(await as(tx, ada, queue)).toEqual([])
    })
  })

  test('writes once, and is on the log without content', async () => {
    await scene(async (tx, { owner, guest, session }) => {
      const told = () => tx`
        select event from realtime.messages
        where topic = ${`organization:${owner.organizationId}:answers`}`
      const before = (await told()).length
      const [first] = await as(tx, guest, ask(session))
      const [again] = await as(tx, guest, ask(session))
      expect(again).toEqual(first)
      expect(await told()).toHaveLength(before + 1)
      const events = await tx`
        select user_id, resource_id, details from public.audit_logs
        where action = 'session.ask_person'`
      expect([...events]).toEqual([{ user_id: guest.id, resource_id: session, details: {} }])
    })
  })

  test('is bounded by the changes of the guest’s minute', async () => {
    await scene(async (tx, { guest, ada, session }) => {
      await tx`insert into private.change_windows (organization_id, user_id, started_at, changes)
        values (${guest.organizationId}, ${guest.id}, now(), 30)
        on conflict on constraint change_windows_key do update set changes = 30, started_at = now()`
      expect(await refusal(tx, guest, ask(session))).toBe('PT429 rate_limited')
      expect(await as(tx, ada, queue)).toEqual([])
    })
  })

  test('asks in an own, open session with a message only', async () => {
    await scene(async (tx, { owner, guest, other, ada, session }) => {
      const stranger = await addOwner(tx)
      for (const who of [other, owner, ada, stranger])
        expect(await refusal(tx, who, ask(session))).toBe('PT404 session_not_found')
      expect(await refusal(tx, 'anon', ask(session))).toMatch(/^42501/)
      const [empty] = await as(
        tx,
        guest,
        (t) => t<{ id: string }[]>`insert into public.chat_sessions default values returning id`,
      )
      expect(await refusal(tx, guest, ask(empty?.id ?? ''))).toBe('PT404 message_not_found')
      await as(tx, guest, ask(session))
      await as(tx, guest, (t) => t`update public.chat_sessions set status = 'closed'`)
      expect(await handlingOf(tx, session)).toMatchObject({ is_waiting: false })
      expect(await refusal(tx, guest, ask(session))).toBe('PT404 session_not_found')
    })
  })
})

test('a member asks in a shared conversation, and not in a private one', async () => {
  await rolledBack(sql, async (tx) => {
    const { customer, ada, session } = await openDesk(tx)
    await as(tx, customer, ask(session))
    expect(await as(tx, ada, queue)).toMatchObject([{ session_id: session, asks_person: true }])
    await as(tx, customer, (t) => t`update public.chat_sessions set visibility = 'private'`)
    expect(await as(tx, ada, queue)).toEqual([])
    expect(await refusal(tx, customer, ask(session))).toBe('PT404 session_not_found')
  })
})
