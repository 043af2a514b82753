import { randomUUID } from 'node:crypto'
import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  type Actor,
  addMember,
  addOwner,
  as,
  type Member,
  refusal,
} from '../../support/people/tenants.ts'
import { addAgent, type Begun, invoke } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const rate =
  (message: string, rating: string | null, comment: string | null = null) =>
  (tx: TransactionSql) =>
    tx`select public.rate_message(${message}, ${rating}, ${comment})`
const read = (tx: TransactionSql, actor: Actor) =>
  as(
    tx,
    actor,
    (t) => t`select user_id, rating, comment from conversation.message_feedback order by rating`,
  )
const counts = (tx: TransactionSql) =>
  tx`select agent, up, down from public.feedback_by_agent('2000-01-01')`

interface Scene {
  owner: Member
  member: Member
  colleague: Member
  agent: string
  begun: Begun
  answer: string
}

const scene = (fn: (tx: TransactionSql, made: Scene) => Promise<void>) =>
  rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const colleague = await addMember(tx, owner.organizationId)
    const { name: agent } = await addAgent(tx, owner)
    const { begun } = await invoke(tx, member, { agent })
    await fn(tx, { owner, member, colleague, agent, begun, answer: begun.response_message_id })
  })

const share = (tx: TransactionSql, { member, begun }: Scene) =>
  as(
    tx,
    member,
    (t) => t`
      update public.chat_sessions set visibility = 'organization' where id = ${begun.session_id}`,
  )

test('a person has one rating per answer: a later one replaces it, and null removes it', async () => {
  await scene(async (tx, { member, begun, answer }) => {
    await as(tx, member, rate(answer, 'down', 'Too long.'))
    expect(await read(tx, member)).toEqual([
      { user_id: member.id, rating: 'down', comment: 'Too long.' },
    ])
    await as(tx, member, rate(answer, 'up'))
    expect(await read(tx, member)).toEqual([{ user_id: member.id, rating: 'up', comment: null }])
    expect(
      await tx`
      select execution_id, session_id from conversation.message_feedback
      where message_id = ${answer}`,
    ).toEqual([{ execution_id: begun.execution_id, session_id: begun.session_id }])
    await as(tx, member, rate(answer, null))
    expect(await read(tx, member)).toEqual([])
  })
})

test('the readers of an answer rate it and read its ratings; no other member does', async () => {
  await scene(async (tx, made) => {
    const { owner, member, colleague, answer } = made
    await as(tx, member, rate(answer, 'up', 'private words'))
    for (const person of [colleague, owner, await addOwner(tx)]) {
      expect(await refusal(tx, person, rate(answer, 'down'))).toBe('PT404 message_not_found')
      expect(await read(tx, person)).toEqual([])
    }
    const reviewer = await addMember(tx, owner.organizationId, 'member', ['content.read_all'])
    await as(tx, reviewer, rate(answer, 'down'))
    expect(await read(tx, reviewer)).toHaveLength(2)
    await share(tx, made)
    await as(tx, colleague, rate(answer, 'up'))
    expect((await read(tx, colleague)).map((row) => String(row.user_id)).sort()).toEqual(
      [member.id, reviewer.id, colleague.id].sort(),
    )
  })
})

test('only answers are rated, with a rating that exists and a comment of bounded length', async () => {
  await scene(async (tx, { member, begun, answer }) => {
    for (const id of [begun.message_id, randomUUID()]) {
      expect(await refusal(tx, member, rate(id, 'up'))).toBe('PT404 message_not_found')
    }
    for (const rating of ['good', '']) {
      expect(await refusal(tx, member, rate(answer, rating))).toBe('22023 invalid_request')
    }
    expect(await refusal(tx, member, rate(answer, 'up', 'x'.repeat(4_001)))).toBe(
      '22023 invalid_request',
    )
    expect(await refusal(tx, member, rate(answer, 'up', 'x'.repeat(4_000)))).toBe('allowed')
    expect(await refusal(tx, 'anon', rate(answer, 'up'))).toMatch(/^42501 /)
    expect(await refusal(tx, 'service_role', rate(answer, 'up'))).toMatch(/^42501 /)
    const forge = (t: TransactionSql) => t`
      update conversation.message_feedback set rating = 'up', user_id = ${member.id}`
    expect(await refusal(tx, member, forge)).toMatch(/^42501 /)
  })
})

test('a manager of agents reads how many liked each agent, and not who or why', async () => {
  await scene(async (tx, made) => {
    const { owner, member, colleague, agent, answer } = made
    await share(tx, made)
    await as(tx, member, rate(answer, 'up', 'words'))
    await as(tx, colleague, rate(answer, 'down'))
    const second = await invoke(tx, member, { agent })
    await as(tx, member, rate(second.begun.response_message_id, 'up'))
    const keeper = await addMember(tx, owner.organizationId, 'member', ['agents.manage'])
    expect(await as(tx, keeper, counts)).toEqual([{ agent, up: '2', down: '1' }])
    expect(await as(tx, await addOwner(tx), counts)).toEqual([])
    expect(await refusal(tx, member, counts)).toBe('42501 permission_denied')
    expect(await refusal(tx, 'anon', counts)).toMatch(/^42501 /)
    await tx`update conversation.message_feedback set created_at = '1999-12-31 23:59Z'`
    expect(await as(tx, keeper, counts)).toEqual([])
  })
})

test('feedback goes with its message, and with the account that gave it', async () => {
  await scene(async (tx, made) => {
    const { member, colleague, answer, begun } = made
    await share(tx, made)
    await as(tx, member, rate(answer, 'up'))
    await as(tx, colleague, rate(answer, 'down'))
    await tx`delete from auth.users where id = ${colleague.id}`
    expect(await read(tx, member)).toEqual([{ user_id: member.id, rating: 'up', comment: null }])
    await as(tx, member, (t) => t`delete from public.chat_sessions where id = ${begun.session_id}`)
    expect(
      await tx`
      select 1 from conversation.message_feedback where message_id = ${answer}`,
    ).toEqual([])
  })
})
