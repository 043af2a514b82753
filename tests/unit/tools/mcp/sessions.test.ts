import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createServerMemory } from '../../../../supabase/functions/_shared/tools/mcp/server-memory.ts'
import { openAt } from '../../../support/agents/open-scripted.ts'
import {
  type ByHand,
  byHand,
  each,
  initialized,
  json,
  type Script,
  type Sent,
  silence,
  startScripted,
  status,
  tool,
} from '../../../support/agents/scripted-mcp.ts'
import { stoppedClock } from '../../../support/clocks.ts'

const never = new AbortController().signal
const listing = { tools: [tool('a')] }
const done = { content: [{ type: 'text', text: 'done' }] }
const definition = { name: 'a', input_schema: {} }
const sessionOf = ({ headers }: Sent) => headers['mcp-session-id']

/** A server of 2025-11-25 with sessions, which forgets them when `restart` is called. */
async function startWithSessions(refusal = status(404, 'Session not found'), script: Script = {}) {
  let generation = 1
  const known = (sent: Sent, answer: unknown) =>
    sessionOf(sent) === `session-${generation}` ? answer : refusal
  const server = await startScripted({
    initialize: byHand((response, { id }) =>
      json(
        response,
        { jsonrpc: '2.0', id, result: initialized },
        { 'mcp-session-id': `session-${generation}` },
      ),
    ),
    'tools/list': each((sent) => known(sent, listing)),
    'tools/call': each((sent) => known(sent, done)),
    DELETE: status(200),
    ...script,
  })
  return { server, restart: () => void (generation += 1) }
}

describe('a session', () => {
  it.each([
    ['404', status(404, 'Session not found')],
    [
      '404 in the words of the protocol',
      status(
        404,
        '{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}',
      ),
    ],
    ['400 for a session', status(400, 'Bad Request: No valid session ID provided')],
    ['410 for a session', status(410, 'Session expired')],
    ...[
      'Bad Request: Server not initialized',
      'Bad Request: Missing session ID',
      'Not Found: Session has been terminated',
      'Session does not exist',
      'No session found for this id',
      'The session was closed',
    ].map((message) => [
      message,
      status(400, JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32_000, message } })),
    ]),
    ...[404, 400].map((code) => [
      `${code} and an error that names the session in words`,
      status(
        code,
        '{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Session not found"}}',
      ),
    ]),
  ] as [string, ByHand][])(
    'that the server has forgotten is begun anew, and the call repeated: %s',
    async (_, refusal) => {
      const { server, restart } = await startWithSessions(refusal)
      const opened = openAt(server)
      await opened.list(never)
      restart()
      const outcomes = await Promise.all(
        Array.from({ length: 4 }, () => opened.call(definition, {}, never)),
      )
      expect(outcomes.map((outcome) => outcome.status)).toEqual(Array(4).fill('success'))
      expect(server.methods().filter((method) => method === 'initialize')).toHaveLength(2)
      restart()
      expect((await opened.list(never)).tools).toHaveLength(1)
    },
  )

  it('that is forgotten again at once is not begun for ever', async () => {
    const { server } = await startWithSessions(undefined, {
      'tools/call': status(404, 'Session not found'),
    })
    const outcome = await openAt(server).call(definition, {}, never)
    expect(outcome).toMatchObject({ status: 'error', error_code: 'tool_call_refused' })
    expect(server.methods().filter((method) => method === 'tools/call')).toHaveLength(2)
  })

  it.each([[500], [502], [503]])('is no reason to repeat a call that %i answers', async (code) => {
    const { server } = await startWithSessions(undefined, { 'tools/call': status(code, 'session') })
    expect(await openAt(server).call(definition, {}, never)).toMatchObject({ status: 'unknown' })
    expect(server.methods().filter((method) => method === 'tools/call')).toHaveLength(1)
  })

  it.each([
    [404, 'Unknown tool in this session'],
    [400, 'Invalid session argument'],
  ])(
    'is no reason to repeat a call that an error of its own answers, with %i',
    async (code, why) => {
      const refuse = ({ id }: Sent) =>
        status(code, JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32602, message: why } }))
      const { server } = await startWithSessions(undefined, { 'tools/call': each(refuse) })
      expect((await openAt(server).call(definition, {}, never)).status).toBe('error')
      expect(server.methods().filter((method) => method === 'tools/call')).toHaveLength(1)
    },
  )

  it.each([
    ['an error of the protocol that names no request', 'Internal error', ''],
    ['more than is read of it', '', ' '.repeat(20_000)],
    [
      'more than is read of it, and the words of a lost session',
      'Session not found',
      ' '.repeat(20_000),
    ],
  ])(
    'is no reason to repeat a call that 404 answers with %s: it may have been carried out',
    async (_what, message, before) => {
      const error = { code: -32_603, message }
      const body = before + JSON.stringify({ jsonrpc: '2.0', id: null, error })
      const { server } = await startWithSessions(undefined, { 'tools/call': status(404, body) })
      const outcome = await openAt(server).call(definition, {}, never)
      expect(outcome).toMatchObject({ status: 'error' })
      expect(server.methods().filter((method) => method === 'tools/call')).toHaveLength(1)
    },
  )

  it.each([
    ['the server agrees', status(200)],
    ['the server does not allow it', status(405)],
    ['the server fails', status(500)],
    ['the server says nothing', silence],
  ])('is ended at the server when it is of no more use, also where %s', async (_what, answer) => {
    const { server } = await startWithSessions(undefined, { DELETE: answer })
    const opened = openAt(server, { timeouts: { end: 1_000 } })
    await opened.call(definition, {}, never)
    await opened.close()
    const ended = server.sent.filter(({ method }) => method === 'DELETE')
    expect(ended.map(sessionOf)).toEqual(['session-1'])
  })

  it('that there is none of is not ended, and no stream is opened beside the requests', async () => {
    const server = await startScripted({ initialize: initialized, 'tools/call': done })
    const opened = openAt(server)
    await opened.call(definition, {}, never)
    await opened.close()
    expect(server.methods()).toEqual([
      'server/discover',
      'initialize',
      'notifications/initialized',
      'tools/call',
    ])
  })
})

describe('a server is taken for an older one when it answers the modern question with', () => {
  const anError = (id: unknown, code: number) =>
    byHand((response) => json(response, { jsonrpc: '2.0', id, error: { code, message: 'x' } }))
  it.each([
    ['500', status(500)],
    ['403', status(403, 'Forbidden')],
    ['404', status(404)],
    ['429', status(429)],
    ['a page', status(200, '<html>', { 'content-type': 'text/html' })],
    ['nothing, and 202', status(202)],
    ['nothing, and 200', status(200, '', { 'content-type': 'application/json' })],
    ['an error without an id', anError(null, -32600)],
    ['an error of another id', anError('another', -32600)],
    ['an error', each(({ id }) => anError(id, -32000))],
    ['a result of something else', { tools: [] }],
    ['an empty stream', status(200, '', { 'content-type': 'text/event-stream' })],
    [
      'a stream that says nothing',
      status(200, ': hello\n\n', { 'content-type': 'text/event-stream' }),
    ],
    ['a broken connection', byHand((response) => response.socket?.destroy())],
    [
      'half an answer',
      byHand((response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
        response.write('{"jsonrpc"')
        setImmediate(() => response.socket?.destroy())
      }),
    ],
    ['silence', silence],
  ])('%s', async (_what, answer) => {
    const server = await startScripted({
      'server/discover': answer,
      initialize: initialized,
      'tools/list': listing,
    })
    const { tools } = await openAt(server, { timeouts: { probe: 300 } }).list(never)
    expect(tools).toMatchObject([{ name: 'a' }])
  })
})

describe('a server of the older transport that was entered as http', () => {
  it.each([[400], [404], [405], [415]])(
    'is found where it answers %i to messages',
    async (code) => {
      let stream: ServerResponse | null = null
      const answered: Record<string, unknown> = { initialize: initialized, 'tools/list': listing }
      const message = each(({ path, id, method }) =>
        path !== '/messages'
          ? status(code)
          : byHand((response) => {
              response.writeHead(202).end()
              const body = { jsonrpc: '2.0', id, result: answered[method] ?? done, error: null }
              if (id !== undefined) stream?.write(`data: ${JSON.stringify(body)}\n\n`)
            }),
      )
      const methods = [
        'server/discover',
        'initialize',
        'notifications/initialized',
        'tools/list',
        'tools/call',
      ]
      const server = await startScripted({
        ...Object.fromEntries(methods.map((method) => [method, message])),
        GET: byHand((response) => {
          stream = response
          response.writeHead(200, { 'content-type': 'text/event-stream' })
          response.write('event: endpoint\ndata: /messages\n\n')
        }),
      })
      const memory = createServerMemory(stoppedClock)
      expect((await openAt(server, { memory }).list(never)).tools).toHaveLength(1)
      const before = server.sent.length
      expect(await openAt(server, { memory }).call(definition, {}, never)).toMatchObject({
        status: 'success',
      })
      expect(server.methods().slice(before)).toEqual([
        ...['GET', 'initialize', 'notifications/initialized', 'tools/call'],
      ])
    },
  )

  it('is not looked for where the refusal says something else, and the first reason is told', async () => {
    const refused = await startScripted({ initialize: status(403) })
    await expect(openAt(refused).list(never)).rejects.toMatchObject({ code: 'server_forbids' })
    expect(refused.methods()).not.toContain('GET')
    const absent = await startScripted({ initialize: status(404), GET: status(500) })
    await expect(openAt(absent).list(never)).rejects.toMatchObject({ code: 'not_an_mcp_server' })
  })
})
