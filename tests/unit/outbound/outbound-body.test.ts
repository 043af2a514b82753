import { gzipSync, brotliCompressSync, deflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { documentLimits } from '../../../supabase/functions/_shared/outbound/limits.ts'
import {
  createOutboundFetch,
  withDeadline,
} from '../../../supabase/functions/_shared/outbound/outbound.ts'
import { serve } from './server.ts'
import { development, reasonOf } from './support.ts'

describe('a body', () => {
  const limited = (bytes: number) =>
    createOutboundFetch({ allowLoopback: true, limits: { ...documentLimits, bytes } })

  it('is cut off at the limit, whatever its length claims', async () => {
    const server = await serve((_, response) => response.end('x'.repeat(5_000)))
    expect(await reasonOf(limited(4_999)(server.origin).then((r) => r.text()))).toBe('too_large')
    expect((await (await limited(5_000)(server.origin)).text()).length).toBe(5_000)
  })

  it('is counted decompressed too', async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000))
    expect(bomb.length).toBeLessThan(30_000)
    const server = await serve((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)
    })
    const reading = limited(100_000)(server.origin).then((r) => r.text())
    expect(await reasonOf(reading)).toBe('too_large')
  })

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ] as const)('in %s is decompressed', async (encoding, compress) => {
    const server = await serve((_, response) => {
      response.writeHead(200, { 'content-encoding': encoding }).end(compress('{"a":1}'))
    })
    const response = await development(server.origin)
    expect(response.headers.get('content-encoding')).toBe(null)
    expect(await response.json()).toEqual({ a: 1 })
  })

  it('in an encoding nobody asked for is refused', async () => {
    const server = await serve((_, response) => {
      response.writeHead(200, { 'content-encoding': 'br' }).end(brotliCompressSync('{}'))
    })
    expect(await reasonOf(development(server.origin))).toBe('unsupported_encoding')
    expect(server.requests[0]?.headers['accept-encoding']).toBe('identity')
  })
})

describe('time', () => {
  const hurried = (limits: Partial<typeof documentLimits>) =>
    createOutboundFetch({ allowLoopback: true, limits: { ...documentLimits, ...limits } })

  it('is capped until the answer begins', async () => {
    const server = await serve(() => undefined)
    expect(await reasonOf(hurried({ head: 50 })(server.origin))).toBe('timeout')
  })

  it('is capped between two parts of the answer', async () => {
    const server = await serve((_, response) => void response.write('a'))
    const reading = hurried({ idle: 50 })(server.origin).then((response) => response.text())
    expect(await reasonOf(reading)).toBe('timeout')
  })

  it('is capped for several requests together', async () => {
    const server = await serve((request, response) => {
      if (request.url === '/quick') response.end('quick')
    })
    const fetch = withDeadline(development, 200)
    expect(await (await fetch(`${server.origin}/quick`)).text()).toBe('quick')
    expect(await reasonOf(fetch(server.origin))).toBe('timeout')
    expect(await reasonOf(fetch(`${server.origin}/quick`))).toBe('timeout')
  })

  it('is capped in all, however busy the server is', async () => {
    const server = await serve((_, response) => {
      const timer = setInterval(() => response.write('a'), 10)
      response.on('close', () => clearInterval(timer))
    })
    const reading = hurried({ total: 150 })(server.origin).then((response) => response.text())
    expect(await reasonOf(reading)).toBe('timeout')
  })
})
