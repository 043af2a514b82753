import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { nameTools } from '../../../../supabase/functions/_shared/tools/tool-names.ts'
import {
  maxResultText,
  maxTools,
} from '../../../../supabase/functions/_shared/tools/tool-limits.ts'
import { openAt } from '../../../support/agents/open-scripted.ts'
import {
  byHand,
  discovered,
  initialized,
  json,
  type Script,
  type Sent,
  startScripted,
  status,
  tool,
} from '../../../support/agents/scripted-mcp.ts'

const never = new AbortController().signal
const definition = { name: 'add', input_schema: { type: 'object' } }
const said = (text: string) => ({ content: [{ type: 'text', text }] })

const listed = async (result: unknown) => {
  const server = await startScripted({ initialize: initialized, 'tools/list': result })
  return openAt(server).list(never)
}
const called = async (answer: unknown, more: Script = {}, call = 5_000) => {
  const script = { initialize: initialized, 'tools/call': answer, ...more }
  const server = await startScripted(script)
  const outcome = await openAt(server, { timeouts: { call } }).call(definition, {}, never)
  return { outcome, sent: server.sent }
}
/** Answers with a stream of these messages. */
const streamed = (messages: (sent: Sent) => readonly unknown[]) =>
  byHand((response: ServerResponse, sent) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const message of messages(sent)) response.write(`data: ${JSON.stringify(message)}\n\n`)
    response.end()
  })
const answerTo = ({ id }: Sent, result: object = said('done')) => ({ jsonrpc: '2.0', id, result })
const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`

describe('a hostile listing', () => {
  it('of one name a thousand times is one tool, and its refusals are bounded', async () => {
    const { tools, refused } = await listed({
      tools: Array.from({ length: 1_000 }, () => tool('a')),
    })
    expect([tools.length, refused.length]).toEqual([1, maxTools])
  })

  it.each([
    ['lines and controls', 'a\r\nb\u001b[2J'],
    ['characters that turn text around', '\u202egnp.exe'],
    ['a name of JavaScript', '__proto__'],
    ['the name of another server’s tool', 'other__tool'],
    ['nothing but signs', '!!! ///'],
    ['another script', 'ツール'],
  ])('with %s in a name gives models a plain name', async (_, name) => {
    const { tools } = await listed({ tools: [tool(name), tool('b')] })
    expect(tools.map((one) => one.name)).toEqual([name, 'b'])
    const rows = tools.map((one) => ({
      ...{ mcp_configuration_id: 1, server: 's', type: 'http' as const, endpoint: null },
      ...{ tool: one.name, definition: one, definition_hash: 'h' },
    }))
    const named = await nameTools(rows)
    for (const key of named.keys()) expect(key).toMatch(/^[\w-]{1,64}$/)
    expect(named.size).toBe(2)
  })

  it.each([[-1], [1e308], ['5'], [null], [{}]])(
    'keeps its time within an hour: %j',
    async (ttlMs) => {
      const { ttl } = await listed({ tools: [tool('a')], ttlMs })
      expect(ttl >= 0 && ttl <= 3_600).toBe(true)
    },
  )

  it('with a schema of many levels costs that tool alone', async () => {
    const deep = `{"tools":[{"name":"deep","inputSchema":${nested(4_000)}},{"name":"a"}]}`
    const { tools, refused } = await listed(
      byHand((response, { id }) => json(response, `{"jsonrpc":"2.0","id":${id},"result":${deep}}`)),
    )
    expect(tools.map(({ name }) => name)).toEqual(['a'])
    expect(refused).toMatchObject([{ name: 'deep', code: 'tool_over_limit' }])
  })
})

describe('a hostile answer to a call', () => {
  it.each<[string, unknown]>([
    ['a list', [1, 2]],
    ['a text', 'done'],
    ['a number', 7],
    ['content by position', { content: { 0: { type: 'text', text: 'a' } } }],
    ['a state without a question', { ...said('a'), requestState: 's', inputRequests: {} }],
    ['an error flag that is a text', { ...said('a'), isError: 'maybe' }],
    ['a type of result from the future', { ...said('a'), resultType: 'streaming' }],
    ['an address of a megabyte', { content: [{ type: 'resource_link', uri: 'x'.repeat(1e6) }] }],
    [
      'a type with a header in it',
      { content: [{ type: 'image', data: 'AA==', mimeType: 'a\r\nb: c' }] },
    ],
    ['ten thousand pieces', { content: Array.from({ length: 1e4 }, () => said('x').content[0]) }],
  ])('that is %s is an answer within the limits', async (_, result) => {
    const { outcome } = await called(result)
    expect(outcome.status).toBe('success')
    expect(JSON.stringify(outcome).length).toBeLessThan(3 * maxResultText)
  })

  it('of thousands of levels is an answer', async () => {
    const { outcome } = await called(
      byHand((response, { id }) => {
        const result = `{"content":[],"structuredContent":${nested(4_000)}}`
        json(response, `{"jsonrpc":"2.0","id":${id},"result":${result}}`)
      }),
    )
    expect(outcome).toMatchObject({ status: 'success', result: { truncated: true } })
  })

  it.each<[string, object]>([
    ['a code that is a text', { code: 'E1', message: 'no' }],
    ['a code of 300 digits', { code: 1e300, message: 'no' }],
    ['a message of a megabyte', { code: -1, message: 'x'.repeat(1e6) }],
    ['a message that is an object', { code: -1, message: { a: 1 } }],
    ['pages in data of many levels', { code: -32_042, data: JSON.parse(nested(50)) as object }],
  ])('that is an error with %s is an error, cut', async (_, error) => {
    const reply = byHand((response, { id }) => json(response, { jsonrpc: '2.0', id, error }))
    const { outcome } = await called(reply)
    expect(outcome.status).toBe('error')
    expect(outcome.result.text.length).toBeLessThanOrEqual(2_000)
  })

  it('counts once, however often it comes', async () => {
    const twice = streamed((sent) => [
      answerTo(sent, said('first')),
      answerTo(sent, said('second')),
    ])
    expect((await called(twice)).outcome.result.text).toBe('first')
  })

  it('to another request is none', async () => {
    const foreign = streamed((sent) => [answerTo({ ...sent, id: 99_999 })])
    expect((await called(foreign)).outcome).toMatchObject({ status: 'unknown' })
  })

  it.each([
    ['sampling/createMessage'],
    ['roots/list'],
    ['elicitation/create'],
    ['tools/call'],
    ['x'],
  ])('after a request of its own (%s) counts, and the request is refused', async (method) => {
    const asking = streamed((sent) => [
      { jsonrpc: '2.0', id: 'q', method, params: {} },
      answerTo(sent),
    ])
    const { outcome, sent } = await called(asking)
    expect(outcome.result.text).toBe('done')
    await expect
      .poll(() => sent.find(({ id }) => id === 'q'), { timeout: 20_000 })
      .toMatchObject({ error: { code: -32_601 } })
  })

  it('after ten thousand messages that mean nothing counts', async () => {
    const noise = [
      { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'x' } },
      7,
      null,
    ]
    const many = streamed((sent) => [
      ...Array.from({ length: 10_000 }, (_, n) => noise[n % 3]),
      answerTo(sent),
    ])
    expect((await called(many, {}, 60_000)).outcome.result.text).toBe('done')
  })

  it.each([['-5'], ['1e9'], ['soon'], ['Wed, 99 Foo'], ['9'.repeat(400)]])(
    'says no time that is none: Retry-After %s',
    async (value) => {
      const { outcome } = await called(status(429, 'slow down', { 'retry-after': value }))
      expect(outcome).toMatchObject({ status: 'error', error_code: 'tool_call_refused' })
      expect(outcome.result.text).not.toMatch(/NaN|Infinity|-\d|null|undefined|\d{12}/)
    },
  )

  it.each([[204], [205], [299]])('with status %i and no body is no answer', async (code) => {
    expect((await called(status(code))).outcome).toMatchObject({ status: 'unknown' })
  })
})

describe('a hostile session', () => {
  it.each([['x'.repeat(7_000)], ['a b'], ['é'], ['"']])(
    'with the id %j neither breaks a call nor reaches another header',
    async (id) => {
      const begin = byHand((response, { id: request }) => {
        const session = { 'mcp-session-id': Buffer.from(id).toString('latin1') }
        json(response, { jsonrpc: '2.0', id: request, result: initialized }, session)
      })
      const { outcome, sent } = await called(said('done'), { initialize: begin })
      expect(outcome.status).toMatch(/^(success|error)$/)
      const ids = sent.flatMap(({ headers }) => headers['mcp-session-id'] ?? [])
      expect(new Set(ids).size).toBeLessThanOrEqual(1)
    },
  )
})

it('a modern server that offers a hundred thousand revisions is used', async () => {
  const supportedVersions = [...Array.from({ length: 1e5 }, (_, n) => `r${n}`), '2026-07-28']
  const server = await startScripted({
    'server/discover': { ...discovered, supportedVersions },
    'tools/call': { resultType: 'complete', ...said('done') },
  })
  expect(await openAt(server).call(definition, {}, never)).toMatchObject({ status: 'success' })
})
