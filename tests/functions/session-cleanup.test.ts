import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { callFunction, type ErrorBody, invoke } from '../support/agents/invoke.ts'
import {
  accessToken,
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'
import { useStack } from '../support/stack/stack.ts'

const sql = connectOwner()
let ann: Person & { organization: Organization }

beforeAll(async () => {
  ann = await signUpWithOrganization('ann')
})

interface Report {
  counts: Record<string, number>
  complete: boolean
}

const cleanUp = async () => {
  const response = await callFunction('session-cleanup', {
    headers: { apikey: useStack().cleanupKey },
  })
  expect(response.status).toBe(200)
  return (await response.json()) as Report
}

/** More than the trigger keeps of one person, which stays off for this one transaction. */
const addExpiredSessions = (count: number) =>
  sql.begin(async (tx) => {
    await tx`alter table public.user_sessions disable trigger user_sessions_keep_newest`
    await tx`
      insert into public.user_sessions (organization_id, id, user_id, expires_at)
      select ${ann.organization.id}, gen_random_uuid(), ${ann.id}, clock_timestamp() - interval '1 second'
      from generate_series(1, ${count})`
    await tx`alter table public.user_sessions enable trigger user_sessions_keep_newest`
  })

const countExpired = async () => {
  const [row] = await sql<[{ n: number }]>`
    select count(*)::int as n from public.user_sessions
    where organization_id = ${ann.organization.id} and expires_at <= clock_timestamp()`
  return row.n
}

describe('session-cleanup', () => {
  it('removes what has expired and answers how much', async () => {
    await addExpiredSessions(3)
    const { counts, complete } = await cleanUp()
    expect(complete).toBe(true)
    const list = await sql<{ task: string }[]>`select task from public.clean_ups()`
    expect(Object.keys(counts)).toEqual([...list.map(({ task }) => task), 'removed_files'])
    expect(counts['expired_sessions']).toBeGreaterThanOrEqual(3)
    expect(await countExpired()).toBe(0)
  })

  it('works through more than one batch', async () => {
    await addExpiredSessions(2_500)
    const { counts, complete } = await cleanUp()
    expect(complete).toBe(true)
    expect(counts['expired_sessions']).toBeGreaterThanOrEqual(2_500)
    expect(await countExpired()).toBe(0)
  })

  it('runs twice at once without counting a row twice', async () => {
    await cleanUp()
    await addExpiredSessions(500)
    const reports = await Promise.all([cleanUp(), cleanUp(), cleanUp()])
    // Once more, since rows that another run holds are skipped.
    reports.push(await cleanUp())
    const handled = reports.map(({ counts }) => counts['expired_sessions'] ?? NaN)
    expect(handled.reduce((sum, count) => sum + count)).toBe(500)
    expect(await countExpired()).toBe(0)
  })

  it('ends an execution whose worker died, and keeps the question', async () => {
    const response = await invoke(ann, {
      agent: 'droid',
      message: { content: 'Hi' },
      stream: false,
    })
    const { execution_id, session_id } = (await response.json()) as {
      execution_id: string
      session_id: string
    }
    await sql`
      insert into public.agent_executions
        (organization_id, id, session_id, user_id, message_id, agent_id, status, request_hash, lease_expires_at)
      select organization_id, ${randomUUID()}, session_id, user_id, message_id, agent_id, 'running', request_hash,
        clock_timestamp() - interval '1 second'
      from public.agent_executions where id = ${execution_id}`
    const { counts } = await cleanUp()
    expect(counts['expired_executions']).toBeGreaterThanOrEqual(1)
    const { data } = await ann.client
      .from('agent_executions')
      .select('status, error_code')
      .eq('session_id', session_id)
      .order('created_at')
    expect(data).toEqual([
      { status: 'success', error_code: null },
      { status: 'failed', error_code: 'interrupted' },
    ])
    const { data: messages } = await ann.client
      .from('chat_messages')
      .select('role')
      .eq('session_id', session_id)
      .order('created_at')
    expect(messages).toEqual([{ role: 'user' }, { role: 'assistant' }])
  })
})

describe('session-cleanup without its named key', () => {
  const refused = async (headers: Record<string, string>, token?: string) => {
    await addExpiredSessions(1)
    const before = await countExpired()
    const response = await callFunction('session-cleanup', { headers, ...(token && { token }) })
    expect(await countExpired()).toBe(before)
    return { status: response.status, ...((await response.json()) as ErrorBody).error }
  }
  const unauthorized = { status: 401, code: 'unauthorized' }

  it('is refused with the publishable key, which every client has', async () => {
    expect(await refused({ apikey: useStack().publishableKey })).toMatchObject(unauthorized)
  })

  it('is refused with the default secret key', async () => {
    expect(await refused({ apikey: useStack().secretKey })).toMatchObject(unauthorized)
  })

  it('is refused with a wrong key of the same length', async () => {
    const { cleanupKey } = useStack()
    const wrong = cleanupKey.slice(0, -1) + (cleanupKey.endsWith('a') ? 'b' : 'a')
    expect(await refused({ apikey: wrong })).toMatchObject(unauthorized)
    expect(await refused({ apikey: '' })).toMatchObject(unauthorized)
  })

  it('is refused with a user’s token, and with its own key as one', async () => {
    const { publishableKey, cleanupKey } = useStack()
    const headers = { apikey: publishableKey }
    expect(await refused(headers, await accessToken(ann))).toMatchObject(unauthorized)
    expect(await refused(headers, cleanupKey)).toMatchObject(unauthorized)
  })

  it('accepts its key whatever other header comes with it', async () => {
    const response = await callFunction('session-cleanup', {
      token: 'nonsense',
      headers: { apikey: useStack().cleanupKey },
    })
    expect(response.status).toBe(200)
  })

  it('answers other methods and addresses as such', async () => {
    const headers = { apikey: useStack().cleanupKey }
    expect((await callFunction('session-cleanup', { method: 'GET', headers })).status).toBe(405)
    expect((await callFunction('session-cleanup/other', { headers })).status).toBe(404)
  })
})

describe('the named key', () => {
  it('opens nothing else: neither REST nor the function agents', async () => {
    const { url, cleanupKey } = useStack()
    const rest = await fetch(`${url}/rest/v1/chat_sessions`, {
      headers: { apikey: cleanupKey, authorization: `Bearer ${cleanupKey}` },
    })
    expect(rest.status).toBe(401)
    const agents = await callFunction('agents/invoke', {
      token: cleanupKey,
      headers: { apikey: cleanupKey },
      body: { message: { content: 'Hi' } },
    })
    expect(agents.status).toBe(401)
  })
})
