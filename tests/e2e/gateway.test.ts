import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Stack } from '../../dev/stack/stack-options.ts'
import { sharedFolder } from '../support/stack/stack-folder.ts'

const ECHO = `
let cancelled = 0
const refused = async (attempt) => {
  try { await attempt(); return 'allowed' } catch (error) { return error.name }
}
export default {
  async fetch(request) {
    const { pathname, search } = new URL(request.url)
    if (pathname === '/echo/cancelled') return Response.json({ cancelled })
    if (pathname === '/echo/crash') Deno.exit(3)
    if (pathname === '/echo/rights') {
      return Response.json({
        read: await refused(() => Deno.readTextFile('/etc/hostname')),
        write: await refused(() => Deno.writeTextFile('/tmp/colloquy-must-not-exist', '')),
        run: await refused(() => new Deno.Command('/bin/true').output()),
        home: Deno.env.get('HOME') ?? null,
        url: Deno.env.get('SUPABASE_URL'),
      })
    }
    if (pathname === '/echo/stream') {
      const encoder = new TextEncoder()
      const reader = request.body.getReader()
      // Answers each chunk of the request as it comes: deadlocks unless both ways stream.
      const body = new ReadableStream({
        async pull(controller) {
          const { done, value } = await reader.read()
          if (done) controller.close()
          else controller.enqueue(encoder.encode('<' + new TextDecoder().decode(value) + '>'))
        },
      })
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
    }
    if (pathname === '/echo/endless') {
      let gone = false
      const body = new ReadableStream({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 10))
          if (!gone) controller.enqueue(new TextEncoder().encode('.'))
        },
        cancel() {
          gone = true
          cancelled++
        },
      })
      return new Response(body)
    }
    const headers = Object.fromEntries(request.headers)
    const body = await request.text()
    return Response.json({ method: request.method, pathname, search, headers, length: body.length }, {
      status: 201,
      headers: { 'x-answer': 'yes' },
    })
  },
}
`

const folder = sharedFolder()
let stack: Stack

beforeAll(async () => {
  folder.write('migrations/20260101000000_first.sql', 'create table public.a (t text);')
  folder.write('functions/echo/index.ts', ECHO)
  folder.write('functions/_shared/index.ts', 'throw new Error("not a function")')
  stack = await folder.start()
})

const at = (path: string, init?: RequestInit) => fetch(stack.url + path, init)

describe('functions', () => {
  test('get the request under /<name>, as on the platform, and answer unchanged', async () => {
    const response = await at('/functions/v1/echo/a/b?c=d', { method: 'PUT', body: 'hello' })
    expect(response.status).toBe(201)
    expect(response.headers.get('x-answer')).toBe('yes')
    expect(await response.json()).toMatchObject({
      method: 'PUT',
      pathname: '/echo/a/b',
      search: '?c=d',
      length: 5,
      headers: { 'x-forwarded-host': new URL(stack.url).host },
    })
  })

  test('get a request that offers another protocol as if it did not', async () => {
    const offering = request(`${stack.url}/functions/v1/echo/a`, {
      method: 'POST',
      headers: {
        connection: 'Upgrade, HTTP2-Settings',
        upgrade: 'h2c',
        'http2-settings': 'AAMAAABk',
        'content-length': 200_000,
      },
    })
    offering.end('x'.repeat(200_000))
    const [response] = (await once(offering, 'response')) as [IncomingMessage]
    const text = (await response.setEncoding('utf8').toArray()).join('')
    expect([response.statusCode, JSON.parse(text)]).toMatchObject([201, { length: 200_000 }])
  })

  test('stream both ways without a buffer between', async () => {
    // Not fetch, which need not look at an answer before it has sent the whole request.
    const upload = request(`${stack.url}/functions/v1/echo/stream`, { method: 'POST' })
    upload.flushHeaders()
    const [response] = (await once(upload, 'response')) as [IncomingMessage]
    response.setEncoding('utf8')
    for (const word of ['one', 'two', 'three']) {
      upload.write(word)
      expect(await once(response, 'data')).toEqual([`<${word}>`])
    }
    upload.end()
    await once(response, 'end')
  })

  test('notice that the client has gone', async () => {
    const controller = new AbortController()
    const response = await at('/functions/v1/echo/endless', { signal: controller.signal })
    await response.body?.getReader().read()
    controller.abort()
    await expect
      .poll(async () => (await at('/functions/v1/echo/cancelled')).text())
      .toBe('{"cancelled":1}')
  })

  test('may use the network and their variables, nothing else', async () => {
    expect(await (await at('/functions/v1/echo/rights')).json()).toEqual({
      read: 'NotCapable',
      write: 'NotCapable',
      run: 'NotCapable',
      home: null,
      url: stack.url,
    })
  })

  test('a body over 10 MB is refused', async () => {
    const response = await at('/functions/v1/echo', {
      method: 'POST',
      body: new Uint8Array(10 * 1024 * 1024 + 1),
    })
    expect([response.status, await response.json()]).toEqual([
      413,
      { error: { code: 'payload_too_large', message: expect.any(String) as string } },
    ])
  })

  test('one that crashes is started again; until then the answer is 503', async () => {
    const crashed = await at('/functions/v1/echo/crash')
    expect([crashed.status, await crashed.json()]).toEqual([
      503,
      { error: { code: 'function_unavailable', message: expect.any(String) as string } },
    ])
    await expect.poll(async () => (await at('/functions/v1/echo')).status).toBe(201)
    expect(folder.lines).toContainEqual(
      expect.stringMatching(/^echo: ended \(exit code 3\) and is started again/),
    )
  })

  test.each(['/functions/v1/absent', '/functions/v1/_shared', '/nothing', '/functions/v1', '/'])(
    '%s is a 404 in JSON',
    async (path) => {
      const response = await at(path)
      expect(response.status).toBe(404)
      expect(response.headers.get('content-type')).toBe('application/json')
      expect(await response.json()).toEqual({
        error: {
          code: expect.stringMatching(/^(function_)?not_found$/) as string,
          message: expect.any(String) as string,
        },
      })
    },
  )
})

describe('REST, Auth and Storage', () => {
  const refused = [
    ['without a key', {}],
    ['with another key', { apikey: 'sb_publishable_other' }],
    ['with only a token', { authorization: 'Bearer a.b.c' }],
    ['with the key in Authorization alone', { authorization: 'Bearer KEY' }],
    ['with a key that only session-cleanup knows', { apikey: 'CLEANUP' }],
    ['with a secret key from a page', { apikey: 'SECRET', origin: 'https://example.com' }],
    ['with a secret key from a browser', { apikey: 'SECRET', 'user-agent': 'Mozilla/5.0 (X11)' }],
    ['with a malformed token', { apikey: 'KEY', authorization: 'Bearer garbage' }],
    ['with a forged token', { apikey: 'KEY', authorization: 'Bearer e30.e30.c2ln' }],
  ] as const

  test.each(refused)('a request %s is refused', async (_, headers) => {
    const keys: Record<string, string> = {
      KEY: stack.publishableKey,
      SECRET: stack.secretKey,
      CLEANUP: stack.cleanupKey,
    }
    const filled = new Headers()
    for (const [name, value] of Object.entries(headers)) {
      filled.set(
        name,
        value.replace(/KEY|SECRET|CLEANUP/, (word) => keys[word] ?? ''),
      )
    }
    const response = await at('/rest/v1/a', { headers: filled })
    expect(response.status).toBe(401)
  })

  test('the secret key is the service role to a server', async () => {
    for (const path of ['/rest/v1/a', '/storage/v1/bucket']) {
      const response = await at(path, { headers: { apikey: stack.secretKey } })
      expect([response.status, await response.json()], path).toEqual([200, []])
    }
  })

  test.each(['/rest/v1/a', '/auth/v1/token?grant_type=password', '/storage/v1/bucket'])(
    'a page of any origin may call %s',
    async (path) => {
      const preflight = await at(path, {
        method: 'OPTIONS',
        headers: {
          origin: 'https://example.com',
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'apikey,content-type,x-client-info',
        },
      })
      expect(preflight.status).toBe(200)
      expect(preflight.headers.get('access-control-allow-origin')).toBe('*')
      expect(preflight.headers.get('access-control-allow-methods')).toContain('POST')
      expect(preflight.headers.get('access-control-allow-headers')).toContain('apikey')
      const response = await at(path, { headers: { apikey: stack.publishableKey } })
      expect(response.headers.get('access-control-allow-origin')).toBe('*')
      expect(response.headers.get('access-control-expose-headers')).toContain('Content-Range')
    },
  )

  test.each([
    ['GET', '/rest/v1/a', 'a b/c'],
    ['GET', '/rest/v1/a', '[::'],
    ['GET', '/rest/v1/chat_sessions', 'localhost/auth/v1/admin?path='],
    ['GET', '/rest/v1/chat_sessions', 'user@localhost'],
    ['GET', '/rest/v1/%E0%A4%A', 'localhost'],
    ['GET', '/auth/v1/%', 'localhost'],
    ['TRACE', '/rest/v1/a', 'localhost'],
  ])(
    '%s %s for the host %s is a 400, and no failure of the gateway',
    async (method, path, host) => {
      const { hostname, port } = new URL(stack.url)
      const headers = { host, apikey: stack.publishableKey }
      const sent = request({ hostname, port, method, path, headers, setHost: false })
      sent.end()
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      response.resume()
      expect(response.statusCode).toBe(400)
    },
  )

  /** Not with fetch, which resolves the dots before it sends a path. */
  const asWritten = async (path: string) => {
    const { hostname, port } = new URL(stack.url)
    const sent = request({ hostname, port, path, headers: { apikey: stack.secretKey } })
    sent.end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    return [response.statusCode, (await response.setEncoding('utf8').toArray()).join('')]
  }
  const around = (path: string) =>
    ['rest', 'auth', 'storage'].map((part) => `/${part}/v1/../..${path}`)

  test.each(['/_system/config', '/_system/introspect'])(
    '%s of the local servers is reachable by no path',
    async (hidden) => {
      for (const path of [hidden, ...around(hidden)]) {
        expect(await asWritten(path), path).toMatchObject([404, expect.any(String)])
      }
    },
  )

  test.each(['/rest/v1/a', '/auth/v1/health', '/storage/v1/bucket', '/functions/v1/echo/a'])(
    '%s is answered by its own server, whatever path leads there',
    async (path) => {
      const expected = await asWritten(path)
      for (const other of around(path)) expect(await asWritten(other), other).toEqual(expected)
    },
  )
})
