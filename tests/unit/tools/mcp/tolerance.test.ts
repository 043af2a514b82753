import { describe, expect, it } from 'vitest'
import { openAt } from '../../../support/agents/open-scripted.ts'
import {
  byHand,
  discovered,
  each,
  initialized,
  json,
  type Script,
  startScripted,
  tool,
} from '../../../support/agents/scripted-mcp.ts'

const never = new AbortController().signal

/** A server of each revision. */
const revisions: [string, Script, object][] = [
  ['2025-11-25', { initialize: initialized }, {}],
  ['2026-07-28', { 'server/discover': discovered }, { resultType: 'complete' }],
]

describe.each(revisions)('a listing of a server of %s', (_revision, script, stamp) => {
  const listed = async (result: object, more: Script = {}) => {
    const answers = { ...script, 'tools/list': { ...stamp, ...result }, ...more }
    return openAt(await startScripted(answers)).list(never)
  }
  const names = (tools: readonly { name: string }[]) => tools.map(({ name }) => name)

  it('is read tool by tool: one that is off is named with its reason, the others are used', async () => {
    const { tools, refused } = await listed({
      tools: [
        tool('a'),
        { name: 'b', description: null, inputSchema: {} },
        { name: 'c', inputSchema: 'none' },
        null,
        { name: 7 },
        tool('a'),
        { name: 'd', inputSchema: { type: 'object' }, annotations: 3, execution: [], icons: 'x' },
      ],
    })
    expect(names(tools)).toEqual(['a', 'b', 'd'])
    expect(refused).toEqual([
      { name: 'c', code: 'tool_unusable', reason: 'has an input schema that is no object' },
      { name: '#4', code: 'tool_unusable', reason: 'is not an object' },
      { name: '#5', code: 'tool_unusable', reason: 'has no name' },
      { name: 'a', code: 'tool_unusable', reason: 'is listed twice' },
    ])
  })

  it.each([[{ tools: null }], [{}], [{ tools: [] }], [{ tools: {} }]])(
    'is empty where it says nothing: %j',
    async (result) => {
      expect(await listed(result)).toMatchObject({ tools: [], refused: [], incomplete: null })
    },
  )

  it.each([7, true, ['x'], { page: 2 }])('says that %j is no cursor', async (nextCursor) => {
    const { tools, incomplete } = await listed({ tools: [tool('a')], nextCursor })
    expect([names(tools), incomplete]).toEqual([['a'], 'the cursor is no text'])
  })

  it('of many pages is read to its end', async () => {
    const pages = each(({ params }) => {
      const page = Number(params?.['cursor'] ?? 0)
      const tools = Array.from({ length: 10 }, (_, n) => tool(`t${page * 10 + n}`))
      return { ...stamp, tools, nextCursor: page < 9 ? String(page + 1) : null }
    })
    const { tools, incomplete } = await listed({}, { 'tools/list': pages })
    expect(tools).toHaveLength(100)
    expect(incomplete).toBeNull()
  })

  it.each([
    ['the cursor does not advance', 2, { tools: [tool('a')], nextCursor: 'again' }],
    [
      'more than 32 pages',
      32,
      ({ n }: { n: number }) => ({ tools: [tool(`t${n}`)], nextCursor: `${n}` }),
    ],
    [
      'more than 128 tools',
      2,
      ({ n }: { n: number }) => ({
        tools: Array.from({ length: 100 }, (_, m) => tool(`t${n}-${m}`)),
        nextCursor: `${n}`,
      }),
    ],
  ])('keeps what was read where %s, and says so', async (reason, pages, page) => {
    let n = 0
    const answer = each(() => {
      n += 1
      return { ...stamp, ...(typeof page === 'function' ? page({ n }) : page) }
    })
    const { tools, incomplete } = await listed({}, { 'tools/list': answer })
    expect(incomplete).toBe(reason)
    expect(tools.length).toBeGreaterThan(0)
    expect(tools.length).toBeLessThanOrEqual(128)
    expect(n).toBe(pages)
  })

  it('keeps the pages before one that cannot be read', async () => {
    const pages = each(({ params }) =>
      params?.['cursor'] === undefined
        ? { ...stamp, tools: [tool('a')], nextCursor: 'next' }
        : byHand((response) => response.writeHead(500).end()),
    )
    const { tools, incomplete } = await listed({}, { 'tools/list': pages })
    expect(names(tools)).toEqual(['a'])
    expect(incomplete).toBe('a page could not be read')
  })

  it('is empty where the server has no tools at all', async () => {
    expect(await openAt(await startScripted(script)).list(never)).toMatchObject({ tools: [] })
  })
})

describe('an envelope that is a little off is read all the same', () => {
  const listing = { tools: [tool('a')] }
  it.each<[string, (id: unknown) => unknown]>([
    ['an error that is null', (id) => ({ jsonrpc: '2.0', id, result: listing, error: null })],
    ['no version of JSON-RPC', (id) => ({ id, result: listing })],
    ['an id as text', (id) => ({ jsonrpc: '2.0', id: String(id), result: listing })],
    ['a list of one', (id) => [{ jsonrpc: '2.0', id, result: listing }]],
    ['fields of its own', (id) => ({ jsonrpc: '2.0', id, result: listing, elapsed: 3 })],
    [
      'a byte order mark',
      (id) => `\uFEFF${JSON.stringify({ jsonrpc: '2.0', id, result: listing })}`,
    ],
  ])('%s', async (_what, envelope) => {
    const server = await startScripted({
      initialize: initialized,
      'tools/list': byHand((response, { id }) => json(response, envelope(id))),
    })
    expect((await openAt(server).list(never)).tools).toMatchObject([{ name: 'a' }])
  })

  it.each([
    ['says nothing of itself', { protocolVersion: '2025-11-25' }],
    ['names null', { ...initialized, capabilities: null, serverInfo: null, instructions: null }],
    ['names another version', { ...initialized, protocolVersion: '2024-11-05' }],
    ['names no version', { ...initialized, protocolVersion: null }],
    ['adds what is unknown', { ...initialized, capabilities: { tools: null, other: 'x' } }],
  ])('also of a server that %s', async (_what, answer) => {
    const server = await startScripted({ initialize: answer, 'tools/list': { tools: [tool('a')] } })
    expect((await openAt(server).list(never)).tools).toMatchObject([{ name: 'a' }])
  })

  it('also in a stream, of any ends of lines, where comments and pauses stand between', async () => {
    const server = await startScripted({
      initialize: initialized,
      'tools/list': byHand((response, { id }) => {
        const answer = JSON.stringify({ id, result: { tools: [tool('ü')] }, error: null })
        response.writeHead(200, { 'content-type': 'text/event-stream;charset=utf-8' })
        response.write(': hello\r\n\r\nretry: 10\r\nid: 1\r\n\r\nevent: message\r\ndata:')
        const bytes = Buffer.from(`${answer.replace(',', ',\r\ndata: ')}\r\n\r\n`)
        for (const byte of bytes) response.write(Buffer.of(byte))
        response.end()
      }),
    })
    expect((await openAt(server).list(never)).tools).toMatchObject([{ name: 'ü' }])
  })

  const forms: Record<string, (answer: string) => string> = {
    plain: (answer) => answer,
    pretty: (answer) => JSON.stringify(JSON.parse(answer), null, 2),
    event: (answer) => `event: message\ndata: ${answer}\n\n`,
    'open event': (answer) => `data: ${answer}`,
  }
  const types = ['application/json', 'text/event-stream', 'text/plain', 'text/html', '']
  it.each(
    types.flatMap((type) => Object.entries(forms).map(([name, form]) => ({ type, name, form }))),
  )('also with the type "$type", the form "$name" and the status 202', async ({ type, form }) => {
    const server = await startScripted({
      initialize: initialized,
      'tools/call': byHand((response, { id }) => {
        const result = { content: [{ type: 'text', text: 'done' }] }
        response.writeHead(202, type === '' ? {} : { 'content-type': type })
        response.end(form(JSON.stringify({ jsonrpc: '2.0', id, result })))
      }),
    })
    const outcome = await openAt(server).call({ name: 'a', input_schema: {} }, {}, never)
    expect(outcome).toMatchObject({ status: 'success', result: { text: 'done' } })
  })

  it('and an error without an id answers the call', async () => {
    const server = await startScripted({
      initialize: initialized,
      'tools/call': byHand((response) =>
        json(response, { jsonrpc: '2.0', id: null, error: { code: -32602, message: 'no b' } }),
      ),
    })
    const outcome = await openAt(server).call({ name: 'a', input_schema: {} }, {}, never)
    expect(outcome).toMatchObject({ error_code: 'tool_error', result: { text: 'no b' } })
  })
})

describe.each(revisions)('a result of a server of %s', (_revision, script, stamp) => {
  const called = async (result: unknown) => {
    const server = await startScripted({ ...script, 'tools/call': result })
    return openAt(server).call({ name: 'a', input_schema: {} }, {}, never)
  }

  it('keeps the text beside a piece of megabytes and one of unknown kind', async () => {
    const huge = { type: 'image', mimeType: 'image/png', data: 'A'.repeat(4_800_000) }
    const pieces = [{ type: 'text', text: 'here' }, huge, { type: 'hologram' }, { type: 'text' }]
    const outcome = await called({
      ...stamp,
      content: pieces,
      structuredContent: null,
      _meta: null,
    })
    expect(outcome.status).toBe('success')
    expect(outcome.result.text).toMatch(/^here\n\[image, image\/png, 3600000 bytes/)
    expect(outcome.result.text).toContain('hologram')
  })

  it('may say nothing', async () => {
    expect(await called({ ...stamp })).toMatchObject({ status: 'success', result: { text: '' } })
    expect(await called({ ...stamp, content: null })).toMatchObject({ status: 'success' })
  })

  it('is an error only where it says so', async () => {
    const content = [{ type: 'text', text: 'x' }]
    expect(await called({ ...stamp, content, isError: null })).toMatchObject({ status: 'success' })
    expect(await called({ ...stamp, content, isError: true })).toMatchObject({
      error_code: 'tool_error',
    })
  })
})
