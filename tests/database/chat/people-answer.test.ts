import { randomUUID } from 'node:crypto'
import type { TransactionSql } from 'postgres'
import { describe, expect, test } from 'vitest'
import { addMember, addOwner, as, refusal } from '../../support/people/tenants.ts'
import { begin } from '../../support/rows/executions.ts'
import {
  answer,
  assign,
  type Desk,
  handBack,
  handlingOf,
  openDesk,
  queue,
  share,
  takeOver,
} from '../../support/rows/people-answer.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const scene = (fn: (tx: TransactionSql, desk: Desk) => Promise<void>) =>
  rolledBack(sql, async (tx) => fn(tx, await openDesk(tx)))

describe('who may answer', () => {
  test('an owner, an administrator and a holder of sessions.answer take over, answer and hand back', async () => {
    await scene(async (tx, { owner, ada, session }) => {
      const administrator = await addMember(tx, owner.organizationId, 'admin')
      for (const person of [owner, administrator, ada]) {
        const taken = await as(tx, person, takeOver(session))
        expect(taken).toMatchObject({ session_id: session, handled_by: person.id })
        expect(await as(tx, person, answer(session, 'From me'))).toMatchObject({
          session_id: session,
        })
        expect(await as(tx, person, handBack(session))).toMatchObject({ handled_by: null })
      }
    })
  })

  test('a colleague without it, the customer, and people of another organization do nothing', async () => {
    await scene(async (tx, { colleague, customer, ada, session }) => {
      await as(tx, ada, takeOver(session))
      const stranger = await addOwner(tx)
      const acts = [
        takeOver(session),
        assign(session, ada.id),
        answer(session, 'No'),
        handBack(session),
      ]
      for (const act of [...acts, queue]) {
        expect(await refusal(tx, colleague, act)).toBe('42501 permission_denied')
        expect(await refusal(tx, customer, act)).toBe('42501 permission_denied')
      }
      for (const act of [takeOver(session), answer(session, 'No'), handBack(session)]) {
        expect(await refusal(tx, stranger, act)).toBe('PT404 session_not_found')
      }
      expect(await refusal(tx, stranger, assign(session, stranger.id))).toBe(
        'PT404 session_not_found',
      )
      expect(await handlingOf(tx, session)).toMatchObject({ handled_by: ada.id })
    })
  })

  test('a private session, a closed one and an absent one give one error', async () => {
    await scene(async (tx, { customer, ada, owner, agent }) => {
      const hidden = await as(tx, customer, begin({ agent, content: 'private' }))
      const reviewer = await addMember(tx, owner.organizationId, 'member', [
        'sessions.answer',
        'content.read_all',
      ])
      const closed = await as(tx, customer, begin({ agent }))
      await share(tx, customer, closed.session_id)
      await as(
        tx,
        customer,
        (t) => t`update public.chat_sessions set status = 'closed' where id = ${closed.session_id}`,
      )
      for (const id of [hidden.session_id, closed.session_id, randomUUID()]) {
        for (const person of [ada, owner, reviewer]) {
          expect(await refusal(tx, person, takeOver(id))).toBe('PT404 session_not_found')
          expect(await refusal(tx, person, assign(id, ada.id))).toBe('PT404 session_not_found')
          expect(await refusal(tx, person, answer(id, 'x'))).toBe('PT404 session_not_found')
        }
      }
    })
  })

  test('nobody answers in their own session, also not when a colleague assigns it', async () => {
    await scene(async (tx, { ada, bob, agent }) => {
      const own = await as(tx, ada, begin({ agent }))
      await share(tx, ada, own.session_id)
      expect(await refusal(tx, ada, takeOver(own.session_id))).toBe('22023 invalid_request')
      expect(await refusal(tx, bob, assign(own.session_id, ada.id))).toBe('22023 invalid_request')
    })
  })

  test('clients write neither who handles a session nor since when its user waits nor an author', async () => {
    await scene(async (tx, { customer, ada, session }) => {
      for (const column of ['handled_by = null', 'waiting_since = null']) {
        for (const person of [customer, ada]) {
          expect(
            await refusal(tx, person, (t) =>
              t.unsafe(`update public.chat_sessions set ${column} where id = '${session}'`),
            ),
          ).toMatch(/^42501 /)
        }
      }
      expect(
        await refusal(
          tx,
          ada,
          (t) =>
            t`update public.chat_messages set author_id = ${ada.id} where session_id = ${session}`,
        ),
      ).toMatch(/^42501 /)
    })
  })
})

describe('an assignment', () => {
  test('goes to a member with the permission only, and moves from one to another', async () => {
    await scene(async (tx, { owner, ada, bob, colleague, session }) => {
      const stranger = await addOwner(tx)
      const former = await addMember(tx, owner.organizationId, 'admin')
      await tx`update client_mgmt.client_users set ended_at = now() where user_id = ${former.id}`
      const suspended = await addMember(tx, owner.organizationId, 'admin')
      await tx`update public.users set is_active = false where id = ${suspended.id}`
      for (const { id } of [colleague, stranger, former, suspended, { id: randomUUID() }]) {
        expect(await refusal(tx, owner, assign(session, id))).toBe('PT404 member_not_found')
      }
      expect(await refusal(tx, owner, assign(session, null))).toBe('PT404 member_not_found')
      await as(tx, ada, takeOver(session))
      expect(await refusal(tx, bob, takeOver(session))).toBe('PT409 session_handled')
      expect(await as(tx, owner, assign(session, bob.id))).toMatchObject({ handled_by: bob.id })
      expect(await refusal(tx, ada, answer(session, 'Late'))).toBe('PT409 session_handled')
      expect(await refusal(tx, ada, handBack(session))).toBe('PT409 session_handled')
      expect(await as(tx, ada, assign(session, ada.id))).toMatchObject({ handled_by: ada.id })
    })
  })

  test.each([
    ['the membership', 'client_mgmt.client_users set ended_at = now() where user_id'],
    ['the permission', `client_mgmt.client_users set permissions = '{}' where user_id`],
    ['the account', 'public.users set is_active = false where id'],
  ])('ends when its person loses %s; the session waits on', async (_, change) => {
    await scene(async (tx, { customer, owner, ada, bob, session }) => {
      await as(tx, ada, takeOver(session))
      await as(tx, customer, begin({ session_id: session, content: 'Hello?' }))
      await tx.unsafe(`update ${change} = '${ada.id}'`)
      expect(await handlingOf(tx, session)).toMatchObject({ handled_by: null, is_waiting: true })
      expect(await as(tx, bob, queue)).toMatchObject([{ session_id: session, handled_by: null }])
      const events = await tx`
        select details ->> 'reason' as reason, details ->> 'count' as count from public.audit_logs
        where organization_id = ${owner.organizationId} and action = 'session.hand_back'`
      expect(events).toEqual([{ reason: 'access_lost', count: '1' }])
    })
  })

  test('stays when its person gets another role that includes the permission', async () => {
    await scene(async (tx, { ada, session }) => {
      await as(tx, ada, takeOver(session))
      await tx`
        update client_mgmt.client_users set role = 'admin', permissions = '{}' where user_id = ${ada.id}`
      expect(await handlingOf(tx, session)).toMatchObject({ handled_by: ada.id })
    })
  })

  test.each(["visibility = 'private'", "status = 'closed'"])(
    'ends with %s, so that the model is not silent forever',
    async (change) => {
      await scene(async (tx, { customer, ada, session }) => {
        await as(tx, ada, takeOver(session))
        await as(tx, customer, begin({ session_id: session }))
        await as(tx, customer, (t) =>
          t.unsafe(`update public.chat_sessions set ${change} where id = '${session}'`),
        )
        expect(await handlingOf(tx, session)).toMatchObject({ handled_by: null, is_waiting: false })
      })
    },
  )

  test('the deletion of the account loses neither the session nor the answers, but the name in them', async () => {
    await scene(async (tx, { ada, session }) => {
      await as(tx, ada, takeOver(session))
      const said = await as(tx, ada, answer(session, 'I can help.'))
      await as(tx, ada, handBack(session, 'Be kind.'))
      await as(tx, ada, takeOver(session))
      await tx`delete from auth.users where id = ${ada.id}`
      expect(await handlingOf(tx, session)).toMatchObject({
        handled_by: null,
        current_message_id: said?.id,
      })
      expect(
        await tx`select author_id, content, metadata from public.chat_messages where id = ${said?.id ?? ''}`,
      ).toEqual([
        { author_id: null, content: 'I can help.', metadata: { author: { type: 'person' } } },
      ])
      expect(
        await tx`select author_id, note from conversation.hand_back_notes where session_id = ${session}`,
      ).toEqual([{ author_id: null, note: 'Be kind.' }])
    })
  })
})
