import { describe, expect, it } from 'vitest'
import { maxFileBytes } from '../../../supabase/functions/_shared/files/read-files.ts'
import {
  maxRequestBytes,
  maxRequests,
} from '../../../supabase/functions/_shared/http/request-limit.ts'
import { WorkerLife } from '../../../supabase/functions/_shared/http/worker-life.ts'
import { createApp as createAgents } from '../../../supabase/functions/agents/app.ts'
import { createApp as createOAuth } from '../../../supabase/functions/oauth/app.ts'
import { stoppedClock } from '../../support/clocks.ts'

/** A database that answers when the test says so. */
function heldDatabase() {
  let release: () => void = () => undefined
  let waiting = 0
  const released = new Promise<void>((resolve) => (release = resolve))
  const call = async () => {
    waiting += 1
    await released
    throw new Error('the answer is of no matter here')
  }
  return {
    database: { forCaller: () => ({ call, readObject: call }), admin: { call } },
    release,
    waiting: () => waiting,
  }
}

const common = {
  log: () => undefined,
  now: () => 0,
  clock: stoppedClock,
  worker: new WorkerLife(stoppedClock, () => null),
  verifyAccessToken: async (headers: Headers) => ({ userId: headers.get('authorization') }),
}
const functions = {
  agents: [createAgents, 'POST', '/agents/executions/0190a000-0000-7000-8000-000000000001/cancel'],
  oauth: [createOAuth, 'DELETE', '/oauth/connections/1'],
} as const

describe('one person’s requests that are under way', () => {
  it.each(Object.entries(functions))('are bounded in %s', async (_name, [create, method, path]) => {
    const { database, release, waiting } = heldDatabase()
    const app = create({ ...common, database } as never)
    const ask = async (authorization: string) =>
      app.request(path, { method, headers: { authorization } })
    const asked = Array.from({ length: maxRequests }, () => ask('ann'))
    await expect.poll(waiting).toBe(maxRequests)
    const refused = await ask('ann')
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '2'])
    expect(await refused.json()).toMatchObject({
      error: {
        code: 'too_many_requests',
        details: { limit: 'requests', max_concurrent: maxRequests },
      },
    })
    const other = ask('bob')
    await expect.poll(waiting).toBe(maxRequests + 1)
    release()
    await Promise.all([...asked, other])
    // Also a request that failed has given its place back.
    expect((await ask('ann')).status).toBe(500)
  })

  it('hold so many bytes of their bodies together, and give them back with the answer', async () => {
    const { database, release, waiting } = heldDatabase()
    const app = createAgents({
      ...common,
      database,
      models: { providers: ['openrouter'] },
    } as never)
    const size = 6 * 1024 * 1024
    const most = Math.floor(maxRequestBytes / size)
    const ask = async (authorization: string) => {
      const body = JSON.stringify({ agent: 'a', message: { content: 'Hi' } }) + ' '.repeat(size)
      return app.request('/agents/invoke', { method: 'POST', body, headers: { authorization } })
    }
    const asked = Array.from({ length: most }, () => ask('ann'))
    await expect.poll(waiting).toBe(most)
    const refused = await ask('ann')
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '2'])
    expect(await refused.json()).toMatchObject({
      error: { details: { limit: 'request_bytes', max_concurrent: maxRequestBytes } },
    })
    const other = ask('bob')
    await expect.poll(waiting).toBe(most + 1)
    release()
    await Promise.all([...asked, other])
    expect((await ask('ann')).status).toBe(500)
  })

  it('hold the largest files that they may name, until the execution has begun', async () => {
    const { database, release, waiting } = heldDatabase()
    const app = createAgents({
      ...common,
      database,
      models: { providers: ['openrouter'] },
    } as never)
    const content = [{ type: 'file', path: '1/a/b/c.png' }]
    const body = JSON.stringify({ agent: 'a', message: { content } })
    const ask = async (authorization: string) =>
      app.request('/agents/invoke', { method: 'POST', body, headers: { authorization } })
    const most = Math.floor(maxRequestBytes / maxFileBytes)
    const asked = Array.from({ length: most }, () => ask('ann'))
    await expect.poll(waiting).toBe(most)
    expect((await ask('ann')).status).toBe(429)
    const other = ask('bob')
    await expect.poll(waiting).toBe(most + 1)
    release()
    await Promise.all([...asked, other])
    expect((await ask('ann')).status).toBe(500)
  })
})
