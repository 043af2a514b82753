import { describe, expect, it } from 'vitest'
import { createFunctionApp } from '../../../supabase/functions/_shared/http/function-app.ts'
import { createLazyFunction } from '../../../supabase/functions/_shared/http/lazy-function.ts'
import type { LogEntry } from '../../../supabase/functions/_shared/log/log.ts'
import { ManualClock } from '../../support/clocks.ts'

function open(failures = 0) {
  const entries: LogEntry[] = []
  const deps = { log: (entry: LogEntry) => entries.push(entry), clock: new ManualClock() }
  let loads = 0
  const serve = createLazyFunction('example', deps, async () => {
    loads += 1
    if (loads <= failures) throw new Error('a module that cannot be read')
    const app = createFunctionApp('example', deps.log, deps.clock)
    return app.post('/known', (c) => c.json({ id: c.get('requestId') }))
  })
  const ask = async (method: string, path: string, headers: Record<string, string> = {}) => {
    const response = await serve(
      new Request(`http://localhost/example${path}`, { method, headers }),
    )
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  return { ask, loads: () => loads, entries }
}

describe('a function whose routes are loaded with the first request', () => {
  it('loads none of them for health and preflights', async () => {
    const { ask, loads } = open()
    expect(await ask('GET', '/health')).toMatchObject({ status: 200, text: '{"status":"ok"}' })
    expect((await ask('POST', '/health')).status).toBe(405)
    const preflight = await ask('OPTIONS', '/known', {
      origin: 'https://app.example',
      'access-control-request-method': 'POST',
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-origin')).toBe('*')
    expect(loads()).toBe(0)
  })

  it('loads them once, for however many requests at once', async () => {
    const { ask, loads } = open()
    const given = { 'x-request-id': 'given-by-the-caller' }
    const answers = await Promise.all([ask('POST', '/known', given), ask('POST', '/known', given)])
    for (const { status, text, headers } of answers) {
      expect(status).toBe(200)
      expect(JSON.parse(text)).toEqual({ id: headers.get('x-request-id') })
    }
    expect((await ask('GET', '/unknown')).status).toBe(404)
    expect(loads()).toBe(1)
  })

  it('answers the envelope when they cannot be loaded, and tries again with the next request', async () => {
    const { ask, loads, entries } = open(1)
    const failed = await ask('POST', '/known')
    expect(failed.status).toBe(500)
    expect(JSON.parse(failed.text)).toMatchObject({ error: { code: 'internal_error' } })
    expect(failed.text).not.toContain('module')
    expect(entries).toMatchObject([{ event: 'request_failed', code: 'internal_error' }])
    expect((await ask('POST', '/known')).status).toBe(200)
    expect(loads()).toBe(2)
  })
})
