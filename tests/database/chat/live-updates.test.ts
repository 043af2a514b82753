import type { TransactionSql } from 'postgres'
import { describe, expect, test } from 'vitest'
import {
  type Actor,
  addMember,
  addOwner,
  as,
  type Member,
  refusal,
} from '../../support/people/tenants.ts'
import { addAgent, invoke } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

interface Told {
  topic: string
  event: string
  payload: Record<string, unknown>
}

/** What was told since the last call, in a transaction that is rolled back. */
const told = (tx: TransactionSql) => tx<Told[]>`
  with gone as (delete from realtime.messages returning topic, event, payload, private, inserted_at)
  select topic, event, payload - 'id' as payload from gone where private order by topic`

const lists = (member: Member) => ({
  organization: `organization:${member.organizationId}`,
  own: `organization:${member.organizationId}:user:${member.id}`,
})
const topicOf = (member: Member, sessionId: string) =>
  `session:${member.organizationId}:${sessionId}`

async function addSession(tx: TransactionSql, author: Member, visibility = 'private') {
  const [row] = await as(
    tx,
    author,
    (t) => t<{ id: string }[]>`
      insert into public.chat_sessions (title, visibility) values ('canary', ${visibility})
      returning id`,
  )
  if (row === undefined) throw new Error('no session was made')
  return row.id
}

/** Lets a second pass for the session. */
const later = (tx: TransactionSql, id: string) => tx`
  update public.chat_sessions set announced_at = announced_at - interval '1 second' where id = ${id}`

const rename = (tx: TransactionSql, author: Member, id: string, title: string) =>
  as(tx, author, (t) => t`update public.chat_sessions set title = ${title} where id = ${id}`)

describe('who may hear', () => {
  /** As Realtime asks: a message of the topic is there, and the policies show it or not. */
  async function hears(tx: TransactionSql, actor: Actor, topic: string): Promise<boolean> {
    const [message] = await tx<{ id: string }[]>`
      insert into realtime.messages (topic, extension, private) values (${topic}, 'broadcast', true)
      returning id`
    const rows = await as(tx, actor, async (t) => {
      await t`select set_config('realtime.topic', ${topic}, true)`
      return t`select from realtime.messages where id = ${message?.id ?? null}`
    })
    return rows.length > 0
  }

  test('each channel is heard by those who may select its rows, and by no other', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const add = (permissions: string[] = []) =>
        addMember(tx, owner.organizationId, 'member', permissions)
      const author = await add()
      const stranger = await addOwner(tx)
      const closed = await addSession(tx, author)
      const shared = await addSession(tx, author, 'organization')
      const people: Record<string, Actor> = {
        author,
        member: await add(),
        reader: await add(['content.read_all']),
        stranger,
        anon: 'anon',
        'no claims': {},
      }
      const heardBy = async (topic: string) => {
        const names = []
        for (const [name, actor] of Object.entries(people)) {
          if (await hears(tx, actor, topic)) names.push(name)
        }
        return names
      }
      const members = ['author', 'member', 'reader']
      expect(await heardBy(lists(author).organization)).toEqual(members)
      expect(await heardBy(lists(author).own)).toEqual(['author'])
      expect(await heardBy(topicOf(author, closed))).toEqual(['author', 'reader'])
      expect(await heardBy(topicOf(author, shared))).toEqual(members)
      // The same id in another organization is another session.
      expect(await heardBy(topicOf(stranger, shared))).toEqual([])
      expect(await heardBy(lists(stranger).organization)).toEqual(['stranger'])
      for (const topic of [
        '',
        'organization:',
        'organization:0',
        `${lists(author).organization} `,
        `${lists(author).own.toUpperCase()}`,
        `${lists(author).organization}:user:`,
        topicOf(author, ''),
        topicOf(author, `${shared} `),
        topicOf(author, shared.toUpperCase()),
        topicOf(author, '%'),
        `session:${shared}`,
        `session::${shared}`,
      ]) {
        expect(await heardBy(topic), topic).toEqual([])
      }
    })
  })

  test('a former member hears nothing, and nobody sends or reads without a channel', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const member = await addMember(tx, owner.organizationId)
      const { organization, own } = lists(member)
      expect(await hears(tx, member, organization)).toBe(true)
      await tx`delete from client_mgmt.client_users where user_id = ${member.id}`
      expect(await hears(tx, member, organization)).toBe(false)
      expect(await hears(tx, member, own)).toBe(false)
      for (const actor of [owner, 'anon'] as const) {
        const sent = (t: TransactionSql) => t`
          insert into realtime.messages (topic, extension, private)
          values (${organization}, 'broadcast', true)`
        expect(await refusal(tx, actor, sent)).toMatch(/^42501 /)
        const read = await as(tx, actor, (t) => t`select from realtime.messages`)
        expect(read).toHaveLength(0)
      }
    })
  })
})

describe('what is told', () => {
  test('a private session on its channel and in its own list, a shared one to the organization', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      for (const [visibility, list] of [
        ['private', lists(owner).own],
        ['organization', lists(owner).organization],
      ] as const) {
        const id = await addSession(tx, owner, visibility)
        const payload = { organization_id: owner.organizationId, session_id: id }
        expect(await told(tx)).toEqual(
          [list, topicOf(owner, id)].map((topic) => ({ topic, event: 'session_changed', payload })),
        )
      }
    })
  })

  test('once a second for each session, and never when a row did not change', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const id = await addSession(tx, owner)
      const other = await addSession(tx, owner)
      await told(tx)
      await rename(tx, owner, id, 'within the second')
      expect(await told(tx)).toEqual([])
      await later(tx, id)
      await rename(tx, owner, id, 'after it')
      await rename(tx, owner, id, 'within the next')
      expect((await told(tx)).map(({ topic }) => topic)).toEqual([
        lists(owner).own,
        topicOf(owner, id),
      ])
      await later(tx, other)
      await told(tx)
      // What PostgREST sends for an upsert that ignores what exists.
      await as(
        tx,
        owner,
        (t) => t`
          insert into public.chat_sessions (id, title) values (${id}, 'again')
          on conflict (organization_id, id) do nothing`,
      )
      expect(await told(tx)).toEqual([])
    })
  })

  test('of a question and of its answer, without a word of either', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const { name } = await addAgent(tx, owner)
      const { begun } = await invoke(tx, owner, { agent: name, content: 'canary' })
      const messages = await told(tx)
      expect(messages.map(({ topic }) => topic)).toContain(topicOf(owner, begun.session_id))
      for (const { payload } of messages) {
        expect(Object.keys(payload).sort()).toEqual(['organization_id', 'session_id'])
      }
    })
  })

  test('a change of visibility to both lists, within the second too', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const id = await addSession(tx, owner)
      await told(tx)
      await as(
        tx,
        owner,
        (t) => t`update public.chat_sessions set visibility = 'organization' where id = ${id}`,
      )
      expect((await told(tx)).map(({ topic }) => topic)).toEqual([
        lists(owner).organization,
        lists(owner).own,
        topicOf(owner, id),
      ])
    })
  })

  test('sessions deleted by one statement in one message for each list', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const ids = [await addSession(tx, owner), await addSession(tx, owner)].sort()
      const shared = await addSession(tx, owner, 'organization')
      await told(tx)
      await as(tx, owner, (t) => t`delete from public.chat_sessions`)
      const of = (topic: string, session_ids: string[]) => ({
        topic,
        event: 'sessions_deleted',
        payload: {
          organization_id: owner.organizationId,
          session_ids,
          count: session_ids.length,
        },
      })
      expect(await told(tx)).toEqual([
        of(lists(owner).organization, [shared]),
        of(lists(owner).own, ids),
      ])
    })
  })

  test('a database without Realtime tells nothing and refuses no write', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      await tx`drop function realtime.send`
      const id = await addSession(tx, owner)
      await later(tx, id)
      await rename(tx, owner, id, 'still written')
      expect(await told(tx)).toEqual([])
    })
  })
})
