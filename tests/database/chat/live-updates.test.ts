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
import { addAgent, begin, finish, invoke, outcomes } from '../../support/rows/executions.ts'
import { told } from '../../support/rows/told.ts'
import { connectOwner, connectSuperuser, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const superuser = connectSuperuser()

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
async function later(tx: TransactionSql, id: string) {
  await tx`
    update public.chat_sessions set announced_at = announced_at - interval '1 second'
    where id = ${id}`
  await told(tx)
}

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
  const listed = (
    owner: Member,
    topic: string,
    session_ids: string[],
    event = 'sessions_changed',
  ) => ({
    topic,
    event,
    payload: { organization_id: owner.organizationId, session_ids, count: session_ids.length },
  })
  const session = (owner: Member, id: string) => ({
    topic: topicOf(owner, id),
    event: 'session_changed',
    payload: { organization_id: owner.organizationId, session_id: id },
  })

  test('a new session in its own list, or to the organization that it is shared with', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const own = await addSession(tx, owner)
      expect(await told(tx)).toEqual([listed(owner, lists(owner).own, [own])])
      const shared = await addSession(tx, owner, 'organization')
      expect(await told(tx)).toEqual([listed(owner, lists(owner).organization, [shared])])
    })
  })

  test('once a second for each session, and never when a row did not change', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const id = await addSession(tx, owner)
      await told(tx)
      await rename(tx, owner, id, 'first')
      await rename(tx, owner, id, 'within the second')
      const once = [listed(owner, lists(owner).own, [id]), session(owner, id)]
      expect(await told(tx)).toEqual(once)
      await later(tx, id)
      await rename(tx, owner, id, 'after it')
      expect(await told(tx)).toEqual(once)
      await later(tx, id)
      await rename(tx, owner, id, 'after it')
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

  test('turns and ends, without a word of them, and at most one message a second', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const { name } = await addAgent(tx, owner)
      const begun = await as(tx, owner, begin({ agent: name, content: 'canary' }))
      const changed = [
        listed(owner, lists(owner).own, [begun.session_id]),
        session(owner, begun.session_id),
      ]
      await told(tx)
      await as(tx, 'service_role', finish(begun))
      expect(await told(tx)).toEqual(changed)
      const next = await as(tx, owner, begin({ agent: name, session_id: begun.session_id }))
      expect(await told(tx)).toEqual([])
      await later(tx, begun.session_id)
      const silent = { status: 'failed', error_code: 'provider_error', fault: 'provider' }
      await as(tx, 'service_role', finish(next, silent))
      expect(await told(tx)).toEqual(changed)
      const last = await as(tx, owner, begin({ agent: name, session_id: begun.session_id }))
      await as(tx, 'service_role', finish(last, silent))
      expect(await told(tx)).toEqual([])
    })
  })

  test('a change of visibility to the list that is left and to the new one', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const id = await addSession(tx, owner)
      await told(tx)
      await as(
        tx,
        owner,
        (t) => t`update public.chat_sessions set visibility = 'organization' where id = ${id}`,
      )
      const { organization, own } = lists(owner)
      expect(await told(tx)).toEqual([
        listed(owner, organization, [id]),
        listed(owner, own, [id]),
        session(owner, id),
      ])
    })
  })

  test('one message for each list, and at most ten sessions, by one statement', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const made = await as(
        tx,
        owner,
        (t) => t<{ id: string }[]>`
          insert into public.chat_sessions (title)
          select 'session ' || n from generate_series(1, 200) n returning id`,
      )
      expect(await told(tx)).toMatchObject([{ payload: { count: 200 } }])
      await as(tx, owner, (t) => t`update public.chat_sessions set context = 'sales'`)
      const changed = await told(tx)
      expect(changed).toHaveLength(11)
      expect(changed.filter(({ event }) => event === 'sessions_changed')).toHaveLength(1)
      await as(tx, owner, (t) => t`delete from public.chat_sessions`)
      const first = made.map(({ id }) => id).sort()
      expect(await told(tx)).toEqual([
        {
          ...listed(owner, lists(owner).own, first.slice(0, 100), 'sessions_deleted'),
          payload: {
            organization_id: owner.organizationId,
            session_ids: first.slice(0, 100),
            count: 200,
          },
        },
      ])
    })
  })

  test('nothing of a request that stands alone', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const { name } = await addAgent(tx, owner)
      await invoke(tx, owner, { agent: name, transient: true })
      await invoke(tx, owner, { agent: name, transient: true }, outcomes.fault)
      expect(await told(tx)).toEqual([])
    })
  })

  test('a database without Realtime tells nothing and refuses no write', async () => {
    await rolledBack(superuser, async (tx) => {
      const owner = await addOwner(tx)
      await tx`drop function realtime.send`
      const id = await addSession(tx, owner)
      await rename(tx, owner, id, 'still written')
      expect(await told(tx)).toEqual([])
    })
  })
})
