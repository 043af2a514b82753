import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client'
import { describe, expect, it } from 'vitest'
import { callTool } from '../../../../supabase/functions/_shared/tools/call-tool.ts'
import { openMcpServer } from '../../../../supabase/functions/_shared/tools/mcp/open-mcp-server.ts'
import { toolTimeouts } from '../../../../supabase/functions/_shared/tools/tool-limits.ts'
import { fakeAdmin, fakeLog, fakeServer } from '../../../support/agents/tool-fakes.ts'
import { fakeClock } from '../../../support/clocks.ts'

/** Where a connection fails: every place at which a call waits for it. */
const places = ['start', 'send initialize', 'send tools/call', 'lose the answer', 'close'] as const
type Place = (typeof places)[number] | 'nowhere'

const results: Record<string, Record<string, unknown>> = {
  initialize: {
    protocolVersion: '2024-11-05',
    capabilities: { tools: {} },
    serverInfo: { name: 'memory', version: '1' },
  },
  'tools/call': { content: [{ type: 'text', text: 'done' }] },
}

/** A server in memory behind a connection that fails in one place. */
function connection(failing: Place, fail: () => Promise<void>) {
  let made = 0
  const at = (place: Place) => (place === failing ? fail() : Promise.resolve())
  const answer = (transport: Transport, id: unknown, method: string) => {
    const result = results[method]
    const body = result ? { result } : { error: { code: -32601, message: 'no such method' } }
    setImmediate(() => transport.onmessage?.({ jsonrpc: '2.0', id, ...body } as JSONRPCMessage))
  }
  const transport: Transport = {
    start: () => at('start'),
    async send(message) {
      if (Array.isArray(message) || !('method' in message) || !('id' in message)) return
      const { id, method } = message as { id: unknown; method: string }
      if (method === 'initialize' || method === 'server/discover') await at('send initialize')
      if (method === 'tools/call') {
        made += 1
        await at('send tools/call')
        if (failing === 'lose the answer') return transport.onclose?.()
      }
      answer(transport, id, method)
    },
    async close() {
      await at('close')
      transport.onclose?.()
    },
  }
  return { transport, made: () => made }
}

const definition = { name: 'add', input_schema: { type: 'object' } }
const key = { organizationId: 1, userId: 'u', configurationId: 2, endpoint: 'https://mcp.test/' }
const never = new AbortController().signal
const noFetch = () => Promise.reject(new Error('not used'))
const ways: [string, () => Promise<void>][] = [
  ['rejects', () => Promise.reject(new Error('broken'))],
  [
    'throws',
    () => {
      throw new Error('broken')
    },
  ],
]

describe.each(['http', 'sse'] as const)('a call over %s', (type) => {
  const cases = places.flatMap((place) => ways.map(([way, fail]) => ({ place, way, fail })))

  it.each(cases)(
    'has an outcome when the connection $way at $place, and is unknown if it may have been made',
    async ({ place, fail }) => {
      const { transport, made } = connection(place, fail)
      const timeouts = { ...toolTimeouts, connect: 500, list: 500, call: 500 }
      const options = { fetch: noFetch, timeouts, transportTo: () => transport }
      const server = openMcpServer({ ...key, type }, options)
      const outcome = await server.call(definition, {}, never)
      if (made() === 0) expect(outcome.status).toBe('error')
      else if (place === 'close') expect(outcome).toMatchObject({ result: { text: 'done' } })
      else expect(outcome.status).toBe('unknown')
      await server.close()
    },
  )

  it('succeeds when nothing fails, and is stored', async () => {
    const { transport } = connection('nowhere', () => Promise.resolve())
    const options = { fetch: noFetch, transportTo: () => transport }
    const server = openMcpServer({ ...key, type }, options)
    expect((await server.call(definition, {}, never)).status).toBe('success')
  })
})

describe('a server that breaks its promise and rejects', () => {
  it('has made a call whose outcome is unknown, stored and told', async () => {
    const { admin, argsOf } = fakeAdmin()
    const { log, entries } = fakeLog()
    const server = fakeServer({ call: () => Promise.reject(new Error('a defect')) })
    const call = {
      organization_id: 1,
      execution_id: 'e',
      attempt: 1,
      tool_call_id: 'c',
      name: 'a__add',
    }
    const emitted: unknown[] = []
    const deps = {
      admin,
      log,
      clock: fakeClock(),
      random: () => 0.5,
      emit: (chunks: readonly unknown[]) => emitted.push(...chunks),
      signal: never,
      media: { left: 1_000_000 },
    }
    const part = await callTool(deps, { ...call, server, serverName: 'a', definition, args: {} })
    expect(part).toMatchObject({ type: 'tool_result', is_error: true })
    expect(argsOf('finish_tool_call')).toMatchObject([{ outcome: { status: 'unknown' } }])
    expect(emitted).toHaveLength(1)
    expect(entries).toMatchObject([{ level: 'error', event: 'tool_call_threw' }])
  })
})
