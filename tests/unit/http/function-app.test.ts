import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { createFunctionApp } from '../../../supabase/functions/_shared/http/function-app.ts'
import { allowOnly } from '../../../supabase/functions/_shared/http/handle-error.ts'
import { createLog, type LogEntry } from '../../../supabase/functions/_shared/log/log.ts'
import { ManualClock } from '../../support/clocks.ts'

const canaries = {
  secretKey: 'sb_secret_canary0123456789',
  token: 'eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOjF9.c2lnbmF0dXJl',
  providerKey: 'sk-or-v1-canary0123456789',
}

function testApp() {
  const entries: LogEntry[] = []
  const clock = new ManualClock()
  const log = (entry: LogEntry) => entries.push(entry)
  const app = createFunctionApp('example', log, clock)
  const pass = (milliseconds: number) => clock.advance(milliseconds)
  app.post('/known', () => {
    throw new AppError('agent_not_found')
  })
  app.all('/known', allowOnly('POST'))
  app.get('/defect', () => {
    const { secretKey, token, providerKey } = canaries
    const cause = new Error(`refused key ${providerKey}`)
    throw new Error(`fetch failed with ${secretKey} and Bearer ${token}`, { cause })
  })
  app.get('/cause', () => {
    throw new AppError('database_unavailable', {
      cause: 'XX000: why',
      headers: { 'retry-after': '1' },
    })
  })
  app.get('/paused', () => {
    throw new AppError('circuit_open')
  })
  app.get('/refused', () => {
    throw new AppError('unauthorized', { cause: 'a wrong signature' })
  })
  return { app, entries, pass }
}

const bodyOf = async (response: Response): Promise<unknown> => response.json()

describe('a function', () => {
  it('answers below its name, with and without a slash at the end', async () => {
    const { app } = testApp()
    for (const path of ['/example/health', '/example/health/']) {
      const response = await app.request(path)
      expect(response.status).toBe(200)
      expect(await bodyOf(response)).toEqual({ status: 'ok' })
    }
    expect((await app.request('/health')).status).toBe(404)
  })

  it('answers the envelope for an address it does not have, whatever the method', async () => {
    const { app } = testApp()
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      const response = await app.request('/example/unknown', { method })
      expect(response.status).toBe(404)
      expect(await bodyOf(response)).toEqual({
        error: { code: 'not_found', message: 'There is nothing at this address. Check the path.' },
      })
    }
  })

  it('names the methods of an address for any other', async () => {
    const { app } = testApp()
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const response = await app.request('/example/known', { method })
      expect(response.status).toBe(405)
      expect(response.headers.get('allow')).toBe('POST')
      expect(await bodyOf(response)).toMatchObject({ error: { code: 'method_not_allowed' } })
    }
  })

  it('lets pages of any origin call it, also when it refuses', async () => {
    const { app } = testApp()
    const preflight = await app.request('/example/known', {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.test',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,x-client-info,idempotency-key',
      },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-origin')).toBe('*')
    expect(preflight.headers.get('access-control-allow-methods')).toContain('POST')
    const allowed = preflight.headers.get('access-control-allow-headers') ?? ''
    for (const name of ['authorization', 'x-client-info', 'idempotency-key']) {
      expect(allowed).toContain(name)
    }
    expect(preflight.headers.get('access-control-allow-credentials')).toBeNull()
    const refused = await app.request('/example/known', { method: 'POST' })
    expect(refused.headers.get('access-control-allow-origin')).toBe('*')
    expect(refused.headers.get('access-control-expose-headers')).toContain('x-request-id')
  })

  it('is never cached, sniffed or framed', async () => {
    const { app } = testApp()
    for (const path of ['/example/health', '/example/defect']) {
      const { headers } = await app.request(path)
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
      expect(headers.get('referrer-policy')).toBe('no-referrer')
    }
  })
})

describe('a request id', () => {
  it('is new for every request, or the well-formed one that was sent', async () => {
    const { app } = testApp()
    const idOf = async (sent?: string) => {
      const headers = sent === undefined ? {} : { 'x-request-id': sent }
      return (await app.request('/example/health', { headers })).headers.get('x-request-id')
    }
    const ids = await Promise.all([
      idOf(),
      idOf(),
      idOf('short'),
      idOf('has spaces in it'),
      idOf('x'.repeat(65)),
    ])
    expect(new Set(ids).size).toBe(5)
    for (const id of ids) expect(id).toMatch(/^[\da-f-]{36}$/)
    expect(await idOf('trace-0123456789')).toBe('trace-0123456789')
  })
})

describe('a failure', () => {
  it.each([
    ['paused', 'circuit_open'],
    ['refused', 'unauthorized'],
  ])('that is expected is logged as info, once within 10 s: %s', async (path, code) => {
    const { app, entries, pass } = testApp()
    const flood = async () => {
      for (let count = 0; count < 50; count += 1) await app.request(`/example/${path}`)
    }
    await flood()
    pass(9_999)
    await flood()
    expect(entries).toMatchObject([{ level: 'info', code }])
    pass(1)
    await flood()
    expect(entries).toHaveLength(2)
  })

  it('of ours is logged each time', async () => {
    const { app, entries } = testApp()
    for (let count = 0; count < 3; count += 1) await app.request('/example/defect')
    expect(entries.map(({ level }) => level)).toEqual(['error', 'error', 'error'])
  })

  it('of ours is logged with the request id and its causes, and answered without them', async () => {
    const { app, entries } = testApp()
    const response = await app.request('/example/defect')
    expect(response.status).toBe(500)
    expect(await bodyOf(response)).toEqual({
      error: {
        code: 'internal_error',
        message: 'Something went wrong on our side. Report it with the header x-request-id.',
      },
    })
    expect(entries).toHaveLength(1)
    expect(entries[0]).toMatchObject({
      level: 'error',
      code: 'internal_error',
      request_id: response.headers.get('x-request-id'),
    })
    expect(entries[0]?.detail).toContain('fetch failed with')
    expect(entries[0]?.detail).toContain('caused by')
  })

  it('shows no credential, neither to the client nor in the log', async () => {
    const { app, entries } = testApp()
    const lines: string[] = []
    const answer = await (await app.request('/example/defect')).text()
    const log = createLog((line) => lines.push(line))
    entries.forEach(log)
    for (const secret of Object.values(canaries)) {
      expect(answer).not.toContain(secret)
      expect(lines.join()).not.toContain(secret)
    }
    expect(lines).toHaveLength(1)
  })

  it('with a cause keeps the cause in the log and its headers in the answer', async () => {
    const { app, entries } = testApp()
    const response = await app.request('/example/cause')
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(await response.text()).not.toContain('XX000')
    expect(entries[0]?.detail).toBe('XX000: why')
  })

  it('of the caller without a cause is not logged', async () => {
    const { app, entries } = testApp()
    await app.request('/example/known', { method: 'POST' })
    expect(entries).toEqual([])
  })
})
