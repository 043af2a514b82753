import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { textAnswer } from '../../../support/agents/tool-server.ts'
import { definition, never, useServers } from './servers.ts'

const { start, open, startSse } = useServers()

describe('an MCP server', () => {
  it('lists its tools, without the annotations that nobody may rely on', async () => {
    const server = await start({
      add: { description: 'Adds.', annotations: { readOnlyHint: true } },
    })
    const { tools, refused, ttl } = await open(server.endpoint).list(never)
    const input_schema = expect.objectContaining({ type: 'object' }) as object
    expect(tools).toEqual([{ name: 'add', description: 'Adds.', input_schema }])
    expect(refused).toEqual([])
    expect(ttl).toBeGreaterThanOrEqual(0)
  })

  it('is called once, with exactly the arguments', async () => {
    const server = await start({
      add: { run: ({ a, b }) => textAnswer(`${Number(a) + Number(b)}`) },
    })
    const outcome = await open(server.endpoint).call(definition('add'), { a: 1, b: 2 }, never)
    expect(outcome).toMatchObject({ status: 'success', result: { text: '3' } })
    expect(server.calls()).toEqual([{ a: 1, b: 2 }])
  })

  it('may be one of the older revision', async () => {
    const server = await start()
    server.intercept = ({ method }, _request, response) => {
      if (method !== 'server/discover') return false
      response.writeHead(400).end('Bad Request: no such method')
      return true
    }
    const opened = open(server.endpoint)
    expect((await opened.list(never)).tools).toMatchObject([{ name: 'add' }])
    expect(await opened.call(definition('add'), {}, never)).toMatchObject({ status: 'success' })
    expect(server.asked.map(({ method }) => method)).toContain('initialize')
  })

  it('may be one that speaks over server-sent events alone', async () => {
    const endpoint = await startSse()
    const opened = open(endpoint, { type: 'sse' })
    expect((await opened.list(never)).tools).toMatchObject([{ name: 'add' }])
    const outcome = await opened.call(definition('add'), {}, never)
    expect(outcome).toMatchObject({ status: 'success', result: { text: 'over sse' } })
  })

  it('may be one whose stream ends between a listing and a call, as requests here do in time', async () => {
    const streams: ServerResponse[] = []
    const endpoint = await startSse(streams)
    const opened = open(endpoint, { type: 'sse', timeouts: { call: 1_000 } })
    await opened.list(never)
    for (const stream of streams) stream.destroy()
    const outcome = await opened.call(definition('add'), {}, never)
    expect(outcome).toMatchObject({ status: 'success', result: { text: 'over sse' } })
    await expect.poll(() => streams.every(({ closed }) => closed)).toBe(true)
  })

  it('keeps a listing for as long as the server says, and no longer than an hour', async () => {
    const server = await start()
    const listWith = async (ttlMs: number) => {
      server.intercept = ({ method }, _request, response) => {
        if (method !== 'tools/list') return false
        const result = { tools: [], resultType: 'complete', ttlMs, cacheScope: 'private' }
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ jsonrpc: '2.0', id: server.asked.at(-1)?.id, result }))
        return true
      }
      return (await open(server.endpoint).list(never)).ttl
    }
    expect(await listWith(5_000)).toBe(5)
    expect(await listWith(0)).toBe(0)
    expect(await listWith(86_400_000)).toBe(3_600)
  })

  it('that lists too many tools, or too large ones, has the others left out', async () => {
    const tools = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`t${n}`, {}]))
    const server = await start({ ...tools })
    const listed = await open(server.endpoint).list(never)
    expect(listed.tools).toHaveLength(128)
    expect(listed.refused).toHaveLength(128)
    expect(listed.refused.slice(0, 2).map(({ name }) => name)).toEqual(['t128', 't129'])
  })
})
