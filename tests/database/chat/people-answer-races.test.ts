import { randomUUID } from 'node:crypto'
import type { TransactionSql } from 'postgres'
import { describe, expect, test } from 'vitest'
import {
  type Actor,
  addDevice,
  as,
  committedAs,
  outcome,
  untilSomeoneWaits,
  untilWaiting,
} from '../../support/people/tenants.ts'
import { begin, finish } from '../../support/rows/executions.ts'
import {
  answer,
  assign,
  handBack,
  handlingOf,
  openDesk,
  takeOver,
} from '../../support/rows/people-answer.ts'
import { connectOwner } from '../../support/stack/database.ts'

const sql = connectOwner()
type Act = (tx: TransactionSql) => Promise<unknown>

const made = () => sql.begin((tx) => openDesk(tx))
const tryAs = (actor: Actor, act: Act) => outcome(committedAs(sql, actor, act))

/** One act holds its locks until another waits for them. @returns how the other ended */
async function heldUp(first: [Actor, Act], second: [Actor, Act]): Promise<string> {
  let waited: Promise<string> | undefined
  await sql.begin(async (tx) => {
    await as(tx, ...first)
    waited = tryAs(...second)
    await untilSomeoneWaits(tx)
  })
  return (await waited) ?? 'never'
}

describe('of two at once', () => {
  test('one takes a session over, and the other is told that a person has it', async () => {
    const { ada, bob, session } = await made()
    const ended = await Promise.all([ada, bob].map((person) => tryAs(person, takeOver(session))))
    expect(ended.sort()).toEqual(['PT409 session_handled', 'allowed'])
    expect([ada.id, bob.id]).toContain((await handlingOf(sql, session)).handled_by)
  })

  test('two requests with one id store one answer', async () => {
    const { ada, session } = await made()
    await committedAs(sql, ada, takeOver(session))
    const id = randomUUID()
    const acts = Array.from({ length: 5 }, () => tryAs(ada, answer(session, 'Once.', id)))
    expect(new Set(await Promise.all(acts))).toEqual(new Set(['allowed']))
    const stored =
      await sql`select from public.chat_messages where session_id = ${session} and author_id is not null`
    expect(stored).toHaveLength(1)
  })

  test('a hand-back waits for an answer, and an answer after the hand-back is refused', async () => {
    const { ada, session } = await made()
    const device = await addDevice(sql, ada)
    await committedAs(sql, ada, takeOver(session))
    expect(await heldUp([ada, answer(session, 'Mid-answer.')], [device, handBack(session)])).toBe(
      'allowed',
    )
    expect((await handlingOf(sql, session)).handled_by).toBeNull()
    await committedAs(sql, ada, takeOver(session))
    expect(await heldUp([device, handBack(session)], [ada, answer(session, 'Late.')])).toBe(
      'PT409 session_not_handled',
    )
  })
})

describe('a take-over beside a customer’s message', () => {
  test('that begins later: the message is stored for the person', async () => {
    const { ada, customer, session } = await made()
    const message = { session_id: session, content: 'Now', id: randomUUID() }
    expect(await heldUp([ada, takeOver(session)], [customer, begin(message)])).toBe('allowed')
    expect(await committedAs(sql, customer, begin(message))).toMatchObject({
      result: { finish_reason: 'person_answers' },
    })
    expect(await handlingOf(sql, session)).toMatchObject({
      is_waiting: true,
      current_message_id: message.id,
    })
  })

  test('that began earlier: its worker is told to stop, and the message waits', async () => {
    const { ada, customer, session, begun } = await made()
    const message = { session_id: session, content: 'Now', id: randomUUID() }
    expect(await heldUp([customer, begin(message)], [ada, takeOver(session)])).toBe('allowed')
    const { execution_id } = await committedAs(sql, customer, begin(message))
    const [row] = await committedAs(
      sql,
      'service_role',
      (tx) => tx`
        select public.renew_execution_lease(${begun.organization_id}, ${execution_id}) as state`,
    )
    expect(row).toEqual({ state: 'handled' })
    expect(await handlingOf(sql, session)).toMatchObject({
      is_waiting: true,
      current_message_id: message.id,
    })
  })

  test('that a model answers at this moment: the answer is kept whole', async () => {
    const { ada, customer, session } = await made()
    const begun = await committedAs(sql, customer, begin({ session_id: session }))
    expect(await heldUp(['service_role', finish(begun)], [ada, takeOver(session)])).toBe('allowed')
    expect(await handlingOf(sql, session)).toEqual({
      handled_by: ada.id,
      is_waiting: false,
      current_message_id: begun.response_message_id,
    })
  })
})

describe('a take-over beside the end of the membership', () => {
  const remove =
    (person: string): Act =>
    (tx) =>
      tx`select public.remove_member(${person})`

  test.each(['take-over', 'assignment'])(
    'leaves no session with a person who is gone, after a %s',
    async (kind) => {
      const { ada, owner, session } = await made()
      const device = await addDevice(sql, owner)
      const first: [Actor, Act] =
        kind === 'take-over' ? [ada, takeOver(session)] : [owner, assign(session, ada.id)]
      expect(await heldUp(first, [device, remove(ada.id)])).toBe('allowed')
      expect((await handlingOf(sql, session)).handled_by).toBeNull()
    },
  )

  test('is refused when the membership ended first', async () => {
    const { ada, bob, owner, session } = await made()
    expect(await heldUp([owner, remove(ada.id)], [bob, assign(session, ada.id)])).toBe(
      'PT404 member_not_found',
    )
    expect(await heldUp([owner, remove(bob.id)], [bob, takeOver(session)])).toBe(
      'PT404 member_not_found',
    )
    expect((await handlingOf(sql, session)).handled_by).toBeNull()
  })
})

describe('an erased account', () => {
  /** Both acts meet at the audit log, in this order. @returns how they ended */
  async function atTheLog(organizationId: number, acts: readonly (() => Promise<string>)[]) {
    const ended: Promise<string>[] = []
    await sql.begin(async (tx) => {
      await tx`select 1 from private.audit_heads where organization_id = ${organizationId}
        for update`
      for (const act of acts) {
        ended.push(act())
        await untilWaiting(tx, ended.length)
      }
    })
    return Promise.all(ended)
  }
  const erase = (person: string) => () =>
    outcome(sql.begin((tx) => tx`delete from auth.users where id = ${person}`))

  test('takes no session over, and neither waits for the other in a circle', async () => {
    const { ada, owner, session } = await made()
    const [erased, took] = await atTheLog(owner.organizationId, [
      erase(ada.id),
      () => tryAs(ada, takeOver(session)),
    ])
    expect(erased).toBe('allowed')
    expect(took).toMatch(/^(PT404 member_not_found|42501)/)
    expect((await handlingOf(sql, session)).handled_by).toBeNull()
  })

  test.each(['answer', 'hand-back'])('waits for its %s, and in no circle', async (kind) => {
    const { ada, owner, session } = await made()
    await committedAs(sql, ada, takeOver(session))
    const act = kind === 'answer' ? answer(session, 'Late.') : handBack(session, 'Bye.')
    const ended = await atTheLog(owner.organizationId, [() => tryAs(ada, act), erase(ada.id)])
    expect(ended).toEqual(['allowed', 'allowed'])
    expect((await handlingOf(sql, session)).handled_by).toBeNull()
  })
})

test('people, customers, workers and managers at once never wait in a circle', async () => {
  const { owner, ada, bob, customer, session } = await made()
  const [before] = await sql<{ deadlocks: string }[]>`
    select deadlocks from pg_stat_database where datname = current_database()`
  const people = [ada, bob]
  let said = 0
  const acts: (() => Promise<string>)[] = [
    () => tryAs(people[said++ % 2] ?? ada, takeOver(session)),
    () => tryAs(ada, answer(session, 'A')),
    () => tryAs(bob, answer(session, 'B')),
    () => tryAs(bob, handBack(session, 'note')),
    () => tryAs(ada, handBack(session)),
    () => tryAs(owner, assign(session, bob.id)),
    () => tryAs(customer, begin({ session_id: session, content: 'More' })),
    () =>
      tryAs(
        owner,
        (tx) => tx`select public.set_member_role(${ada.id}, 'member', array['sessions.answer'])`,
      ),
    () => tryAs(owner, (tx) => tx`select public.set_member_role(${ada.id}, 'member', '{}')`),
    async () => {
      const rows = await sql<{ id: string }[]>`
        select id from public.agent_executions where session_id = ${session} and status = 'running'`
      const [running] = rows
      if (!running) return 'nothing runs'
      return tryAs(
        'service_role',
        (tx) => tx`
          select public.finish_execution(${owner.organizationId}, ${running.id},
            '{"status": "success", "finish_reason": "stop", "content": "Hi"}')`,
      )
    },
  ]
  let left = 160
  const answers = new Set<string>()
  const work = async () => {
    while (left > 0) {
      left -= 1
      answers.add(await (acts[left % acts.length] as () => Promise<string>)())
    }
  }
  await Promise.all(Array.from({ length: 6 }, work))
  expect([...answers].filter((one) => /^(40P01|XX|23503)/.test(one))).toEqual([])
  const [after] = await sql<{ deadlocks: string }[]>`
    select deadlocks from pg_stat_database where datname = current_database()`
  expect(after).toEqual(before)
}, 120_000)
