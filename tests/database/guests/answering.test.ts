import type { TransactionSql } from 'postgres'
import { describe, expect, test } from 'vitest'
import { addSupport, beginAs, count } from '../../support/people/guests.ts'
import { addMember, addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import { type Begun, finish, outcomes } from '../../support/rows/executions.ts'
import {
  answer,
  assign,
  handBack,
  handlingOf,
  queue,
  takeOver,
} from '../../support/rows/people-answer.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const message = { content: 'hello' }

type Support = Awaited<ReturnType<typeof addSupport>> & { begun: Begun; session: string } & Record<
    'ada' | 'colleague' | 'stranger',
    Member
  >

/** A guest's conversation with one answer, a member who may answer it, and people who may not. */
const scene = (work: (tx: TransactionSql, support: Support) => Promise<void>) =>
  rolledBack(sql, async (tx) => {
    const support = await addSupport(tx)
    const { owner, guest } = support
    const ada = await addMember(tx, owner.organizationId, 'member', ['sessions.answer'])
    const colleague = await addMember(tx, owner.organizationId)
    const begun = await beginAs(tx, guest, { message })
    await as(tx, 'service_role', finish(begun))
    const session = begun.session_id
    await work(tx, { ...support, ada, colleague, stranger: await addOwner(tx), begun, session })
  })

describe('who reads a guest’s conversation', () => {
  const tables = [
    'public.chat_sessions',
    'public.chat_messages',
    'public.agent_executions',
    'public.v_recent_sessions',
    'conversation.execution_events',
    'conversation.message_feedback',
  ]

  test('those who may answer in it, and no colleague, other guest or other organization', async () => {
    await scene(async (tx, { owner, guest, other, ada, colleague, stranger, begun, session }) => {
      await tx`insert into conversation.execution_events (organization_id, execution_id, seq, event)
        values (${owner.organizationId}, ${begun.execution_id}, 100, '[]')`
      const id = begun.response_message_id
      await as(tx, guest, (t) => t`select public.rate_message(${id}, 'up', 'Thanks')`)
      const administrator = await addMember(tx, owner.organizationId, 'admin')
      const seen = async (who: Member, table: string) => (await count(tx, who, table)) > 0
      for (const table of tables) {
        for (const who of [guest, owner, administrator, ada])
          expect([table, await seen(who, table)]).toEqual([table, true])
        for (const who of [other, colleague, stranger])
          expect([table, await seen(who, table)]).toEqual([table, false])
      }
      const topic = `session:${owner.organizationId}:${session}`
      const reads = async (who: Member) => {
        const [row] = await as(
          tx,
          who,
          (t) => t`
            select private.may_hear(${topic}) as hears,
              public.read_execution_result(${begun.execution_id}) is not null as ends`,
        )
        const rate = (t: TransactionSql) => t`select public.rate_message(${id}, 'down')`
        return { ...row, rates: await refusal(tx, who, rate) }
      }
      const everything = { hears: true, ends: true, rates: 'allowed' }
      for (const who of [guest, owner, ada]) expect(await reads(who)).toEqual(everything)
      const nothing = { hears: false, ends: false, rates: 'PT404 message_not_found' }
      for (const who of [other, colleague, stranger]) expect(await reads(who)).toEqual(nothing)
    })
  })

  test('those who follow an answer are the guest and those who may answer', async () => {
    await scene(async (tx, { owner, guest, other, ada, colleague, begun }) => {
      const asked = [owner, guest, other, ada, colleague].map(({ sessionId }) => sessionId)
      const [row] = await as(
        tx,
        'service_role',
        (t) => t<{ readers: string[] }[]>`
          select public.follow_execution(
            ${owner.organizationId}, ${begun.execution_id}, 0, ${asked}
          ) -> 'readers' as readers`,
      )
      const allowed = [owner, guest, ada].map(({ sessionId }) => sessionId)
      expect(row?.readers.toSorted()).toEqual(allowed.toSorted())
    })
  })

  test('a change of role opens no session and closes none', async () => {
    await scene(async (tx, { owner, guest, ada, colleague, session }) => {
      const own = async (who: Member) => {
        const [row] = await as(
          tx,
          who,
          (t) => t<{ id: string }[]>`
            insert into public.chat_sessions (title) values ('Mine') returning id`,
        )
        return row?.id ?? ''
      }
      const change = (who: Member, role: string) =>
        as(tx, owner, (t) => t`select public.set_member_role(${who.id}, ${role})`)
      const before = await own(colleague)
      await change(colleague, 'guest')
      await change(guest, 'member')
      const later = await own(guest)
      const seen = await as(
        tx,
        ada,
        (t) => t<{ id: string }[]>`select id from public.chat_sessions`,
      )
      expect(seen.map(({ id }) => id)).toEqual([session])
      for (const id of [before, later])
        expect(await refusal(tx, ada, takeOver(id))).toBe('PT404 session_not_found')
      expect(await refusal(tx, ada, takeOver(session))).toBe('allowed')
    })
  })

  test('no client marks a session as a guest’s, or takes the mark away', async () => {
    await scene(async (tx, { guest, colleague }) => {
      const insert = (t: TransactionSql) =>
        t`insert into public.chat_sessions (of_guest) values (true)`
      const update = (t: TransactionSql) => t`update public.chat_sessions set of_guest = false`
      for (const who of [guest, colleague]) {
        expect(await refusal(tx, who, insert)).toMatch(/^42501/)
        expect(await refusal(tx, who, update)).toMatch(/^42501/)
      }
    })
  })
})

describe('a person answers a guest', () => {
  test('who asks meanwhile, reads the answer, and gets the model again after the hand-back', async () => {
    await scene(async (tx, { owner, guest, ada, session }) => {
      const administrator = await addMember(tx, owner.organizationId, 'admin')
      for (const person of [owner, administrator, ada]) {
        expect(await as(tx, person, takeOver(session))).toMatchObject({ handled_by: person.id })
        const asked = await beginAs(tx, guest, { message, session_id: session })
        expect(asked).toMatchObject({ result: { finish_reason: 'person_answers', cost_usd: null } })
        expect((await handlingOf(tx, session)).is_waiting).toBe(true)
        const answered = await as(tx, person, answer(session, 'On its way.'))
        expect(await count(tx, guest, 'public.chat_messages', `id = '${answered?.id ?? ''}'`)).toBe(
          1,
        )
        expect(await as(tx, person, handBack(session, 'A good customer.'))).toMatchObject({
          handled_by: null,
        })
        expect(await count(tx, ada, 'conversation.hand_back_notes')).toBe(1)
        expect(await count(tx, guest, 'conversation.hand_back_notes')).toBe(0)
        const next = await beginAs(tx, guest, { message, session_id: session })
        expect(next).toMatchObject({ status: 'running', result: null })
        await as(tx, 'service_role', finish(next))
      }
    })
  })

  test('no colleague, guest or other organization answers, and nobody in a closed session', async () => {
    await scene(async (tx, { owner, guest, other, ada, colleague, stranger, session }) => {
      const reader = await addMember(tx, owner.organizationId, 'member', ['content.read_all'])
      const acts = [
        takeOver(session),
        assign(session, ada.id),
        answer(session, 'No'),
        handBack(session),
        queue,
      ]
      for (const act of acts) {
        for (const who of [colleague, reader])
          expect(await refusal(tx, who, act)).toBe('42501 permission_denied')
        for (const who of [guest, other])
          expect(await refusal(tx, who, act)).toBe('42501 no_organization')
      }
      expect(await refusal(tx, stranger, takeOver(session))).toBe('PT404 session_not_found')
      expect(await refusal(tx, ada, assign(session, colleague.id))).toBe('PT404 member_not_found')
      await as(tx, ada, takeOver(session))
      await as(tx, guest, (t) => t`update public.chat_sessions set status = 'closed'`)
      expect((await handlingOf(tx, session)).handled_by).toBeNull()
      expect(await refusal(tx, ada, takeOver(session))).toBe('PT404 session_not_found')
    })
  })

  test('whose model failed waits in the list of those who answer', async () => {
    await scene(async (tx, { guest, ada, stranger, session }) => {
      expect(await as(tx, ada, queue)).toEqual([])
      const failed = await beginAs(tx, guest, { message, session_id: session })
      await as(tx, 'service_role', finish(failed, outcomes.fault))
      expect(await as(tx, ada, queue)).toMatchObject([{ session_id: session, message: 'hello' }])
      expect(await as(tx, stranger, queue)).toEqual([])
    })
  })
})
