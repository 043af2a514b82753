import { randomUUID } from 'node:crypto'
import type { RealtimeChannel } from '@supabase/supabase-js'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { watchSession } from '../../client/index.ts'
import { forgeToken, invoke } from '../support/agents/invoke.ts'
import {
  accessToken,
  type Organization,
  type Person,
  signUpAsMember,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'
import { useStack } from '../support/stack/stack.ts'

const sql = connectOwner()
const people: Person[] = []

afterEach(async () => {
  for (const { client } of people.splice(0)) {
    await client.removeAllChannels()
    await client.realtime.disconnect()
  }
})

interface Heard {
  channel: RealtimeChannel
  /** Of `phx_join`: SUBSCRIBED, CHANNEL_ERROR, CLOSED. */
  states: string[]
  problems: string[]
  messages: { event: string; payload: Record<string, unknown> }[]
}

/** Joins a private channel as README shows it. */
function listen(person: Person, topic: string, config: object = { private: true }): Heard {
  people.push(person)
  const heard: Omit<Heard, 'channel'> = { states: [], problems: [], messages: [] }
  const channel = person.client
    .channel(topic, { config })
    .on('broadcast', { event: '*' }, ({ event, payload }) => {
      heard.messages.push({ event, payload: payload as Record<string, unknown> })
    })
    .subscribe((state, error) => {
      heard.states.push(state)
      if (error !== undefined) heard.problems.push(error.message)
    })
  return { ...heard, channel }
}

const joined = (...all: Heard[]) =>
  Promise.all(all.map(({ states }) => expect.poll(() => states).toContain('SUBSCRIBED')))

const listOf = ({ id }: Organization, person?: Person) =>
  `organization:${id}${person === undefined ? '' : `:user:${person.id}`}`

async function addSession(person: Person, visibility = 'private'): Promise<string> {
  const id = randomUUID()
  const { error } = await person.client.from('chat_sessions').insert({ id, visibility })
  if (error !== null) throw error
  return id
}

/** The sessions that were named, of one message after the other. */
const sessionIds = ({ messages }: Heard) =>
  messages.flatMap(({ payload }) => payload.session_ids ?? [payload.session_id])

describe('with supabase-js', () => {
  test('each device hears of what its person may read, as it happens', async () => {
    const owner = await signUpWithOrganization()
    const member = await signUpAsMember(sql, owner.organization)
    const own = listen(owner, listOf(owner.organization, owner))
    const organization = listen(member, listOf(owner.organization))
    await joined(own, organization)
    const closed = await addSession(owner)
    const shared = await addSession(owner, 'organization')
    await expect.poll(() => sessionIds(own)).toEqual([closed])
    await expect.poll(() => sessionIds(organization)).toEqual([shared])

    const session = listen(member, `session:${owner.organization.id}:${shared}`)
    await joined(session)
    const answer = await invoke(owner, { session_id: shared, message: { content: 'Hello' } })
    expect(answer.status, await answer.clone().text()).toBe(200)
    await answer.text()
    await expect.poll(() => sessionIds(session)).toContain(shared)
    await owner.client.from('chat_sessions').delete().eq('id', closed)
    await expect
      .poll(() => own.messages.at(-1))
      .toMatchObject({ event: 'sessions_deleted', payload: { session_ids: [closed], count: 1 } })
  })

  test('watchSession reads when it joins, once more, and when a turn was made', async () => {
    const owner = await signUpWithOrganization()
    people.push(owner)
    const session = await addSession(owner)
    let reads = 0
    const count = () => void (reads += 1)
    const stop = watchSession(owner.client, owner.organization.id, session, count)
    await expect.poll(() => reads).toBe(2)
    const answer = await invoke(owner, { session_id: session, message: { content: 'Hello' } })
    await answer.text()
    await expect.poll(() => reads).toBeGreaterThan(2)
    stop()
    expect(owner.client.getChannels()).toEqual([])
  })

  test.each([
    ['another organization', 'Unauthorized', { private: true }],
    ['a public channel', 'PrivateOnly', {}],
  ])('%s is refused with its reason', async (_, reason, config) => {
    const owner = await signUpWithOrganization()
    const stranger = await signUpWithOrganization()
    const topic = listOf(reason === 'Unauthorized' ? owner.organization : stranger.organization)
    const heard = listen(stranger, topic, config)
    // supabase-js tries again, and is refused again.
    await expect.poll(() => heard.problems[0]).toContain(reason)
    expect(new Set(heard.states)).toEqual(new Set(['CHANNEL_ERROR']))
  })

  test('a lost connection of the database costs no message', async () => {
    const owner = await signUpWithOrganization()
    const own = listen(owner, listOf(owner.organization, owner))
    await joined(own)
    const ended = await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where query = 'listen "realtime_messages"'`
    expect(ended.length).toBeGreaterThan(0)
    const sent = [await addSession(owner), await addSession(owner)]
    await expect.poll(() => sessionIds(own)).toEqual(sent)
  })
})

describe('the protocol', () => {
  interface Answer {
    event: string
    payload: { status?: string; response?: { reason?: string }; message?: string }
  }

  /** A client of our own, which sends what supabase-js would not. */
  async function open(path = `?apikey=${useStack().publishableKey}&vsn=1.0.0`) {
    const socket = new WebSocket(
      `${useStack().url.replace('http', 'ws')}/realtime/v1/websocket${path}`,
    )
    const answers: Answer[] = []
    let end: string | undefined
    socket.on('message', (data: Buffer) => answers.push(JSON.parse(data.toString()) as Answer))
    socket.on('error', (error) => (end = error.message))
    socket.on('close', (code) => (end ??= String(code)))
    const isOpen = new Promise((resolve) => socket.once('open', resolve).once('close', resolve))
    await isOpen
    return {
      answers,
      end: () => end,
      send: (topic: string, event: string, payload: unknown) =>
        socket.send(JSON.stringify({ topic, event, payload, ref: '1', join_ref: '1' })),
      raw: (text: string | Buffer) => socket.send(text),
      close: () => socket.close(),
    }
  }

  const join = (access_token: string) => ({ config: { private: true }, access_token })

  test('a token that ends closes its channel, and a fresh one asks the policies again', async () => {
    const owner = await signUpWithOrganization()
    const member = await signUpAsMember(sql, owner.organization)
    const topic = `realtime:${listOf(owner.organization)}`
    const expired = await open()
    const soon = Math.floor(Date.now() / 1000) + 6
    expired.send(topic, 'phx_join', join(await forgeToken(owner, { exp: soon })))
    await expect.poll(() => expired.answers.at(-1)?.event).toBe('phx_close')
    expect(expired.answers.at(-2)?.payload.message).toBe('Token has expired')
    expired.close()

    const removed = await open()
    const token = await accessToken(member)
    removed.send(topic, 'phx_join', join(token))
    await expect.poll(() => removed.answers).toMatchObject([{ payload: { status: 'ok' } }])
    await sql`delete from client_mgmt.client_users where user_id = ${member.id}`
    removed.send(topic, 'access_token', { access_token: token })
    await expect.poll(() => removed.answers.at(-1)?.event).toBe('phx_close')
    removed.close()
  })

  test('a connection that ends while it asks the policies fails the join, and the next join succeeds', async () => {
    const owner = await signUpWithOrganization()
    const topic = `realtime:${listOf(owner.organization)}`
    const token = await accessToken(owner)
    const client = await open()
    await sql.begin(async (tx) => {
      await tx`lock table realtime.messages in share mode`
      client.send(topic, 'phx_join', join(token))
      const terminate = async () => {
        const rows = await sql`
          select pg_terminate_backend(pid) from pg_stat_activity
          where wait_event_type = 'Lock' and query like '%insert into realtime.messages%'`
        return rows.length
      }
      await expect.poll(terminate, { timeout: 30_000 }).toBe(1)
    })
    const reasons = () => client.answers.map(({ payload }) => payload.response?.reason)
    await expect
      .poll(reasons, { timeout: 30_000 })
      .toEqual([expect.stringContaining('DatabaseConnectionIssue')])
    client.send(topic, 'phx_join', join(token))
    await expect.poll(() => client.answers.at(-1)?.payload.status, { timeout: 30_000 }).toBe('ok')
    client.close()
  }, 120_000)

  test.each([
    ['no key', ''],
    ['a wrong key', '?apikey=sb_publishable_wrong'],
  ])('%s gets no connection', async (_, path) => {
    expect((await open(path)).end()).toContain('401')
  })

  test('what is no join of a private channel is refused, and the next frame is read', async () => {
    const owner = await signUpWithOrganization()
    const client = await open()
    const topic = `realtime:${listOf(owner.organization)}`
    const token = await accessToken(owner)
    const refused: [string, string, unknown, string][] = [
      [topic, 'phx_join', {}, 'InvalidJoinPayload'],
      ['organization:1', 'phx_join', join(token), 'InvalidJoinPayload'],
      [topic, 'phx_join', { config: { private: true }, access_token: null }, 'MalformedJWT'],
      [topic, 'phx_join', join('x.y.z'), 'JwtSignatureError'],
      [topic, 'phx_join', join(useStack().publishableKey), 'Unauthorized'],
      [topic, 'phx_join', join(await forgeToken(owner, {}, { secret: 'x'.repeat(32) })), 'JwtSign'],
      [
        topic,
        'phx_join',
        { config: { private: true, postgres_changes: [{}] }, access_token: token },
        'RealtimeDisabledForTables',
      ],
      [topic, 'broadcast', { event: 'x' }, 'Unauthorized'],
    ]
    for (const [to, event, payload] of refused) client.send(to, event, payload)
    client.send('phoenix', 'heartbeat', {})
    await expect.poll(() => client.answers.length).toBe(refused.length + 1)
    expect(client.answers.map(({ payload }) => payload.response?.reason ?? payload.status)).toEqual(
      [...refused.map(([, , , reason]) => expect.stringContaining(reason) as string), 'ok'],
    )
    client.raw('[]')
    await expect.poll(client.end).toBe('1003')
  })
})
