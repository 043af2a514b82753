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
  status,
  tool,
} from '../../../support/agents/scripted-mcp.ts'

const never = new AbortController().signal
const listing = { tools: [tool('a')] }
const done = { content: [{ type: 'text', text: 'done' }] }
const definition = { name: 'a', input_schema: {} }
const older: Script = { initialize: initialized, 'tools/list': listing, 'tools/call': done }
const events = { 'content-type': 'text/event-stream' }

const open = async (script: Script) => {
  const server = await startScripted({ ...older, ...script })
  return { server, opened: openAt(server) }
}
const called = async (answer: unknown) =>
  (await open({ 'tools/call': answer })).opened.call(definition, {}, never)

describe('the tools of a page', () => {
  it.each<[string, object]>([
    ['by number, as PHP writes a list with a gap', { 0: tool('a'), 2: tool('b') }],
    ['by name', { a: tool('a'), b: tool('b') }],
  ])('are read %s', async (_how, tools) => {
    const { opened } = await open({ 'tools/list': { tools } })
    expect(await opened.list(never)).toMatchObject({
      tools: [{ name: 'a' }, { name: 'b' }],
      incomplete: null,
    })
  })

  it('may be one without a list', async () => {
    const { opened } = await open({ 'tools/list': { tools: tool('a') } })
    expect((await opened.list(never)).tools).toMatchObject([{ name: 'a' }])
  })

  it.each(['none', 7, true])('are said to be missing where %j stands', async (tools) => {
    const { opened } = await open({ 'tools/list': { tools } })
    expect(await opened.list(never)).toMatchObject({
      tools: [],
      incomplete: 'the tools are no list',
    })
  })

  it('are read anew where the server was started anew between two pages', async () => {
    let isNew = false
    const { server, opened } = await open({
      initialize: byHand((response, { id }) =>
        json(response, { id, result: initialized }, { 'mcp-session-id': 's' }),
      ),
      'tools/list': each(({ params }) => {
        if (params?.['cursor'] === undefined) return { tools: [tool('a')], nextCursor: 'next' }
        if (isNew) return { tools: [tool('b')] }
        isNew = true
        return status(404, 'Session not found')
      }),
    })
    expect(await opened.list(never)).toMatchObject({
      tools: [{ name: 'a' }, { name: 'b' }],
      incomplete: null,
    })
    expect(server.methods().filter((method) => method === 'initialize')).toHaveLength(2)
  })
})

describe('an answer counts', () => {
  it.each<[string, (id: unknown) => object]>([
    ['an empty error', (id) => ({ id, result: done, error: {} })],
    ['an error without words', (id) => ({ id, result: done, error: '' })],
    ['an error of no elements', (id) => ({ id, result: done, error: [] })],
    ['the method of its request', (id) => ({ id, result: done, method: 'tools/call' })],
    ['an empty method', (id) => ({ id, result: done, method: '' })],
  ])('although it has %s beside its result', async (_what, envelope) => {
    const outcome = await called(byHand((response, { id }) => json(response, envelope(id))))
    expect(outcome).toMatchObject({ status: 'success', result: { text: 'done' } })
  })

  it.each(['result', 'response', 'error'])('also as an event with the name "%s"', async (name) => {
    const outcome = await called(
      byHand((response, { id }) => {
        const other = JSON.stringify({ jsonrpc: '2.0', id: 'other', result: {} })
        response.writeHead(200, events).write(`event: ping\ndata: now\n\ndata: ${other}\n\n`)
        response.end(`event: ${name}\ndata: ${JSON.stringify({ id, result: done })}\n\n`)
      }),
    )
    expect(outcome).toMatchObject({ status: 'success', result: { text: 'done' } })
  })

  it('and what a server says without need beside it does not', async () => {
    const outcome = await called(
      byHand((response, { id }) => {
        response.writeHead(200, events)
        const said = [
          { method: 'notifications/progress', params: { progress: 1 } },
          { method: 'notifications/progress', params: { progressToken: null, progress: '5' } },
          { method: 'notifications/progress', params: [] },
          { method: 'notifications/tools/list_changed' },
          { method: 'notifications/cancelled', params: { requestId: id } },
          { method: 'ping', id },
          { method: 'roots/list', id: null },
          { id: 'another', result: { content: [{ type: 'text', text: 'foreign' }] } },
          { id, result: done },
          { id, result: { content: [{ type: 'text', text: 'twice' }] } },
        ]
        for (const message of said) response.write(`data: ${JSON.stringify(message)}\n\n`)
        response.end('data: [DONE]\n\n')
      }),
    )
    expect(outcome).toMatchObject({ status: 'success', result: { text: 'done' } })
  })

  it.each([true, 'true', 'True', 1])('as an error where `isError` is %j', async (isError) => {
    expect(await called({ ...done, isError })).toMatchObject({ error_code: 'tool_error' })
  })

  it.each([false, 'false', 0, null, ''])('as none where `isError` is %j', async (isError) => {
    expect(await called({ ...done, isError })).toMatchObject({ status: 'success' })
  })

  it('with what stands in the place of a text', async () => {
    const content = [
      { type: 'text', text: { city: 'Bern' } },
      { type: 'text', text: [1] },
    ]
    expect(await called({ content })).toMatchObject({ result: { text: '{"city":"Bern"}\n[1]' } })
  })
})

it.each([
  ['with a value beside them that is none', ['2026-07-28', null, 7]],
  ['as one text', '2026-07-28'],
])('a modern server may name its revisions %s', async (_how, supportedVersions) => {
  const { opened } = await open({
    initialize: undefined,
    'server/discover': { ...discovered, supportedVersions },
  })
  expect(await opened.list(never)).toMatchObject({ era: 'modern', tools: [{ name: 'a' }] })
})

describe('a redirect', () => {
  /** Moved within its origin: everything is at the path with a slash. */
  const movedTo = (code: number, location: string, script: Script) =>
    Object.fromEntries(
      Object.entries(script).map(([method, result]) => [
        method,
        each(({ path }) => (path === '/mcp' ? status(code, '', { location }) : result)),
      ]),
    )

  it.each([301, 302, 307, 308])('with %i within the origin is followed, once', async (code) => {
    const { server, opened } = await open(
      movedTo(code, '/mcp/', { 'server/discover': undefined, ...older }),
    )
    expect((await opened.list(never)).tools).toHaveLength(1)
    expect(await opened.call(definition, {}, never)).toMatchObject({ status: 'success' })
    expect(server.sent.filter(({ path }) => path === '/mcp')).toHaveLength(1)
  })

  it('of a call with 302 repeats no call: it may have been carried out', async () => {
    const { server, opened } = await open(movedTo(302, '/mcp/', { 'tools/call': done }))
    expect(await opened.call(definition, {}, never)).toMatchObject({
      error_code: 'tool_call_refused',
    })
    expect(server.methods().filter((method) => method === 'tools/call')).toHaveLength(1)
  })

  it('to another origin is not followed, and the reason is told', async () => {
    const other = await startScripted(older)
    const { opened } = await open(movedTo(308, other.endpoint, older))
    await expect(opened.list(never)).rejects.toMatchObject({ code: 'server_moved' })
    expect(other.sent).toEqual([])
  })

  it('in a circle ends', async () => {
    const { opened } = await open({ initialize: status(307, '', { location: '/mcp' }) })
    await expect(opened.list(never)).rejects.toMatchObject({ code: 'server_moved' })
  })
})
