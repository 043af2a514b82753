import { describe, expect, it } from 'vitest'
import { createOutboundFetch } from '../../../supabase/functions/_shared/outbound/outbound.ts'
import type { Resolve } from '../../../supabase/functions/_shared/outbound/resolve.ts'
import { redirect, serve } from './server.ts'
import { answers, development, reasonOf, strict } from './support.ts'

describe('a URL from data', () => {
  it.each([
    ['http://example.com/', 'forbidden_url'],
    ['ftp://example.com/', 'forbidden_url'],
    ['file:///etc/passwd', 'forbidden_url'],
    ['javascript:alert(1)', 'forbidden_url'],
    ['data:text/plain,x', 'forbidden_url'],
    ['https://user:password@example.com/', 'forbidden_url'],
    ['https://user@example.com/', 'forbidden_url'],
    ['not a url', 'forbidden_url'],
    ['', 'forbidden_url'],
    ['http://127.0.0.1/', 'forbidden_url'],
    ['http://localhost/', 'forbidden_url'],
    ['https://127.0.0.1/', 'forbidden_address'],
    ['https://2130706433/', 'forbidden_address'],
    ['https://0x7f000001/', 'forbidden_address'],
    ['https://0177.0.0.1/', 'forbidden_address'],
    ['https://127.1/', 'forbidden_address'],
    ['https://①②⑦.0.0.1/', 'forbidden_address'],
    ['https://169.254.169.254/latest/meta-data/', 'forbidden_address'],
    ['https://[::1]/', 'forbidden_address'],
    ['https://[::]/', 'forbidden_address'],
    ['https://[::ffff:127.0.0.1]/', 'forbidden_address'],
    ['https://[::ffff:7f00:1]/', 'forbidden_address'],
    ['https://[::127.0.0.1]/', 'forbidden_address'],
    ['https://[64:ff9b::7f00:1]/', 'forbidden_address'],
    ['https://[2002:7f00:1::]/', 'forbidden_address'],
    ['https://[fd00:ec2::254]/', 'forbidden_address'],
  ])('%s is refused: %s', async (url, reason) => {
    const { names, resolve } = answers('1.1.1.1')
    expect(await reasonOf(createOutboundFetch({ allowLoopback: false, resolve })(url))).toBe(reason)
    expect(names).toEqual([])
  })

  it('is refused in development too when it is private but not this machine', async () => {
    for (const host of ['10.0.0.1', '192.168.0.1', '169.254.169.254', '[fd00::1]', '0.0.0.0']) {
      expect(await reasonOf(development(`https://${host}/`)), host).toBe('forbidden_address')
      expect(await reasonOf(development(`http://${host}/`)), host).toBe('forbidden_url')
    }
    expect(await reasonOf(development('http://example.com/'))).toBe('forbidden_url')
  })

  it('is judged by what its name resolves to, every address of it', async () => {
    const cases = [['127.0.0.1'], ['10.0.0.1'], ['8.8.8.8', '192.168.1.1'], ['::ffff:10.0.0.1']]
    for (const addresses of cases) {
      const { resolve } = answers(...addresses)
      const guarded = createOutboundFetch({ allowLoopback: false, resolve })
      expect(await reasonOf(guarded('https://example.com/'))).toBe('forbidden_address')
    }
    const { resolve } = answers('8.8.8.8')
    const guarded = createOutboundFetch({ allowLoopback: true, resolve })
    expect(await reasonOf(guarded('http://localhost/'))).toBe('forbidden_address')
  })

  it('is dialled at the address that was checked, though the name changes its mind', async () => {
    const server = await serve((_, response) => response.end('here'))
    let calls = 0
    const resolve: Resolve = async () => {
      calls += 1
      return [{ address: calls === 1 ? '127.0.0.1' : '10.0.0.1', family: 4 }]
    }
    const guarded = createOutboundFetch({ allowLoopback: true, resolve })
    const response = await guarded(`http://rebind.localhost:${server.port}/`)
    expect(await response.text()).toBe('here')
    expect(calls).toBe(1)
    expect(server.requests[0]?.headers.host).toBe(`rebind.localhost:${server.port}`)
    expect(await reasonOf(guarded(`http://rebind.localhost:${server.port}/`))).toBe(
      'forbidden_address',
    )
    expect(server.requests).toHaveLength(1)
  })

  it('that nobody answers is unreachable', async () => {
    expect(await reasonOf(development('http://127.0.0.1:1/'))).toBe('unreachable')
    const resolve: Resolve = () => Promise.reject(new Error('ENOTFOUND'))
    const guarded = createOutboundFetch({ allowLoopback: false, resolve })
    expect(await reasonOf(guarded('https://nowhere.example/'))).toBe('unreachable')
  })
})

describe("an organization's list of hosts", () => {
  const listed = (...allowedHosts: string[]) =>
    createOutboundFetch({ allowLoopback: true, allowedHosts, resolve: answers('10.0.0.1').resolve })

  it.each([
    ['https://a.example/', ['a.example'], 'forbidden_address'],
    ['https://A.EXAMPLE./', ['a.example'], 'forbidden_address'],
    ['https://x.a.example/', ['*.a.example'], 'forbidden_address'],
    ['https://a.example/', ['*.a.example'], 'host_not_allowed'],
    ['https://xa.example/', ['*.a.example', 'a.example'], 'host_not_allowed'],
    ['https://a.example.evil.test/', ['a.example', '*.a.example'], 'host_not_allowed'],
    ['https://b.example/', ['a.example'], 'host_not_allowed'],
    ['https://b.example/', [], 'host_not_allowed'],
  ])('%s with %j: %s', async (url, hosts, reason) => {
    // forbidden_address means that the list let it pass: the name resolves to a private address.
    expect(await reasonOf(listed(...hosts)(url))).toBe(reason)
  })

  it('holds for redirects too', async () => {
    const server = await serve(redirect('https://b.example/'))
    expect(await reasonOf(listed('127.0.0.1')(server.origin))).toBe('host_not_allowed')
  })
})

describe('a request', () => {
  it('carries method, headers and body, and brings status, headers and body back', async () => {
    const server = await serve((_, response) => {
      response.writeHead(201, { 'x-answer': 'a', 'content-type': 'text/plain' }).end('ok')
    })
    const response = await development(`${server.origin}/path?query=1`, {
      method: 'POST',
      headers: { 'x-question': 'q' },
      body: new URLSearchParams({ a: 'ü b' }),
    })
    expect([response.status, response.headers.get('x-answer')]).toEqual([201, 'a'])
    expect(await response.text()).toBe('ok')
    expect(server.requests).toMatchObject([
      { method: 'POST', url: '/path?query=1', body: 'a=%C3%BC+b', headers: { 'x-question': 'q' } },
    ])
  })

  it('says itself which host, which encoding and how long', async () => {
    const server = await serve((_, response) => response.end('ok'))
    const headers = { host: 'internal', connection: 'keep-alive', 'accept-encoding': 'br' }
    await development(server.origin, { method: 'POST', headers })
    expect(server.requests[0]?.headers).toEqual({
      host: `127.0.0.1:${server.port}`,
      connection: 'close',
      'accept-encoding': 'identity',
      'content-length': '0',
    })
  })

  it('gives back 204, HEAD and errors of the server', async () => {
    const server = await serve((request, response) => {
      response.writeHead(request.url === '/empty' ? 204 : 500).end()
    })
    expect((await development(`${server.origin}/empty`)).status).toBe(204)
    expect((await development(server.origin, { method: 'HEAD' })).status).toBe(500)
    expect((await development(server.origin)).status).toBe(500)
  })

  it('ends with its signal, before the answer and inside it', async () => {
    const server = await serve((_, response) => void response.write('begun'))
    const controller = new AbortController()
    const response = await development(server.origin, { signal: controller.signal })
    const reading = response.text()
    controller.abort(new Error('enough'))
    await expect(reading).rejects.toThrow('enough')
    await expect(development(server.origin, { signal: controller.signal })).rejects.toThrow(
      'enough',
    )
  })
})

describe('a redirect', () => {
  it('is followed inside its origin with everything', async () => {
    const server = await serve((request, response) => {
      if (request.url === '/a') response.writeHead(307, { location: '/b' }).end()
      else response.end('done')
    })
    const response = await development(`${server.origin}/a`, {
      method: 'POST',
      headers: { authorization: 'Bearer secret' },
      body: 'body',
    })
    expect(await response.text()).toBe('done')
    expect(server.requests[1]).toMatchObject({
      method: 'POST',
      body: 'body',
      headers: { authorization: 'Bearer secret' },
    })
  })

  it('takes no credential to another origin', async () => {
    const other = await serve((_, response) => response.end('done'))
    const server = await serve(redirect(`${other.origin}/x`))
    const headers = {
      authorization: 'Bearer secret',
      cookie: 'a=b',
      dpop: 'x',
      accept: 'text/html',
    }
    await development(server.origin, { headers })
    expect(Object.keys(other.requests[0]?.headers ?? {})).toEqual(
      expect.not.arrayContaining(['authorization', 'cookie', 'dpop']),
    )
    expect(other.requests[0]?.headers.accept).toBe('text/html')
  })

  it.each([307, 308])('%s takes no body to another origin', async (status) => {
    const other = await serve((_, response) => response.end('done'))
    const server = await serve(redirect(`${other.origin}/x`, status))
    const post = development(server.origin, { method: 'POST', body: 'refresh_token=secret' })
    expect(await reasonOf(post)).toBe('forbidden_redirect')
    expect(other.requests).toEqual([])
  })

  it('of a POST by 303 becomes a GET without a body', async () => {
    const other = await serve((_, response) => response.end('done'))
    const server = await serve(redirect(`${other.origin}/x`, 303))
    await development(server.origin, { method: 'POST', body: 'secret' })
    expect(other.requests).toMatchObject([{ method: 'GET', body: '' }])
  })

  it.each([
    ['http://169.254.169.254/', 'forbidden_url'],
    ['https://169.254.169.254/', 'forbidden_address'],
    ['https://[::ffff:a9fe:a9fe]/', 'forbidden_address'],
    ['file:///etc/passwd', 'forbidden_url'],
    ['https://', 'forbidden_redirect'],
  ])('to %s is judged like a first request', async (location, reason) => {
    const server = await serve(redirect(location))
    expect(await reasonOf(development(server.origin))).toBe(reason)
  })

  it('is followed five times at most, and not at all when told so', async () => {
    const server = await serve(redirect('/again'))
    expect(await reasonOf(development(server.origin))).toBe('too_many_redirects')
    expect(server.requests).toHaveLength(6)
    expect((await development(server.origin, { redirect: 'manual' })).status).toBe(302)
    expect(await reasonOf(development(server.origin, { redirect: 'error' }))).toBe(
      'forbidden_redirect',
    )
  })
})

it('an error is a TypeError and says neither path nor credential', async () => {
  const error: unknown = await strict('https://10.0.0.1/secret?token=secret').catch(
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(TypeError)
  expect(String(error)).not.toContain('secret')
})
