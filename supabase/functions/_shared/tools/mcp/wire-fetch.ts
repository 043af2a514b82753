import { AppError } from '../../errors.ts'
import { isRecord } from '../../json.ts'
import { readText } from '../../models/byte-reader.ts'
import { parseRetryAfter } from '../../models/retry-after.ts'
import { OutboundError } from '../../outbound/error.ts'
import { giveUp } from '../../outbound/give-up.ts'
import type { OutboundFetch } from '../../outbound/outbound.ts'
import { type Clock, timeLimit } from '../../time.ts'
import { followRedirects } from './follow-redirects.ts'
import { eventData, repairEvents } from './repair-events.ts'
import {
  answerLost,
  errorMessage,
  isId,
  type Message,
  notProtocol,
  RawResults,
  repairMessages,
  textsOf,
  type Waiting,
} from './repair-message.ts'
import { ServerRefused } from './server-refused.ts'

/** What stands between the protocol's library and one server. */
export interface Wire {
  readonly fetch: OutboundFetch
  /** The result of a listing or call as the server sent it; see RawResults. */
  resultOf(answer: unknown): unknown
}

export interface WireOptions {
  readonly type: 'http' | 'sse'
  /** Milliseconds that a server has to say that it speaks a modern revision. */
  readonly probe: number
  readonly clock: Clock
}

const refusalBytes = 16 * 1024
/** Events without an answer after which a server is an older one. */
const mostEvents = 1_000
/** The code by which the protocol's own library says that it does not know a session. */
const sessionNotFound = -32_001
const unknownSession = new RegExp(
  [
    String.raw`\b(?:no|no valid|no such|missing|invalid|unknown|expired)\W{1,3}(?:\w{1,20}\W{1,3}){0,2}session`,
    'session.{0,40}(?:not valid|invalid|unknown|expired|not found|not exist|terminated|closed|ended)',
    // The reference implementation, after it was started anew.
    'server not initialized',
  ].join('|'),
  'i',
)

/**
 * A `fetch` for the protocol's transports that repairs what a server answers before the library
 * judges it, and takes everything but a modern answer to `server/discover` for an older server's.
 * @throws ServerRefused for a refusal by status alone
 */
export function createWire(guarded: OutboundFetch, { type, probe, clock }: WireOptions): Wire {
  const fetch = followRedirects(guarded, ({ body }) => methodOf(body) === 'tools/call')
  const requests = new Map<string, Waiting>()
  const raws = new RawResults()
  const takeRequest = (sole: Waiting | null) => (id: unknown) => {
    const named = typeof id === 'string' || typeof id === 'number' ? id : sole?.id
    const request = named === undefined ? undefined : requests.get(String(named))
    if (request) requests.delete(String(request.id))
    return request
  }
  const read = (text: string, sole: Waiting | null): Message[] =>
    repairMessages(parse(text), takeRequest(sole), raws)
  const repaired = (response: Response, sole: Waiting | null) =>
    // With the status 200, as the library reads no answer of a 202.
    new Response(response.body && repairEvents(response.body, (data) => read(data, sole)), {
      headers: keptHeaders(response),
    })

  async function send(
    request: Waiting,
    url: string | URL,
    init: RequestInit,
    inSession: boolean,
  ): Promise<Response> {
    requests.set(String(request.id), request)
    const response = await fetch(url, init)
    if (!response.ok) return refusal(request, response, inSession)
    // The answers of the older transport come by its stream.
    if (type === 'sse') return emptied(response, 202)
    if (isEventStream(response)) return repaired(response, request)
    const text = await response.text()
    const messages = (eventData(text) ?? [text]).flatMap((data) => read(data, request))
    if (requests.delete(String(request.id))) {
      const code = text.trim() === '' ? answerLost : notProtocol
      messages.push(errorMessage(request.id, { code, message: 'no answer of the protocol' }))
    }
    return Response.json(messages, { headers: keptHeaders(response) })
  }

  async function refusal(request: Waiting, response: Response, inSession: boolean) {
    const failure = await refused(response, inSession ? request : null)
    const messages = failure.sessionIsOver ? [] : read(failure.body, request)
    requests.delete(String(request.id))
    if (messages.some((message) => 'error' in message)) return Response.json(messages)
    throw failure
  }

  /** @param inSession the request that was refused in a session; null outside of one */
  async function refused(response: Response, inSession: Waiting | null): Promise<ServerRefused> {
    const { status, headers } = response
    const { text, truncated } = await readText(response, refusalBytes)
    const over = inSession !== null && !truncated && endsSession(status, text, inSession)
    return new ServerRefused(status, text, parseRetryAfter(headers, clock.now()), over)
  }

  /** What a server is: anything but a modern answer is an older server's. */
  async function discover(
    request: Waiting,
    url: string | URL,
    init: RequestInit,
  ): Promise<Response> {
    const signal = timeLimit(probe, init.signal)
    const older = (error: unknown = { code: -32_601 }) =>
      Response.json([errorMessage(request.id, error)])
    try {
      const response = await send(request, url, { ...init, signal }, false)
      const messages = isEventStream(response)
        ? await firstAnswer(response)
        : ((await response.json()) as Message[])
      const answer = messages.find(({ result, error }) => isModern(result) || isRecord(error))
      return answer ? Response.json([answer]) : older()
    } catch (error) {
      if (init.signal?.aborted) throw error
      // Not what the server is, but that it may not or cannot be asked.
      const isOurs =
        error instanceof AppError || (error instanceof OutboundError && !mayBeOld(error))
      if (isOurs) throw error
      return older()
    } finally {
      requests.delete(String(request.id))
    }
  }

  async function stream(url: string | URL, init: RequestInit): Promise<Response> {
    const response = await fetch(url, init)
    if (response.ok && isEventStream(response)) return repaired(response, null)
    if (type === 'sse' && !response.ok) throw await refused(response, null)
    // The library reads no other body over SSE, and does not end it.
    return type === 'sse' ? emptied(response, response.status) : response
  }

  return {
    resultOf: (answer) => raws.take(answer),
    async fetch(url, init = {}) {
      const sent = parse(typeof init.body === 'string' ? init.body : '')
      if (!isRecord(sent)) return stream(url, init)
      const { id, method } = sent
      if (!isId(id) || typeof method !== 'string') {
        // Nobody waits for what becomes of a notification; 202 would have the library ask for a
        // stream of messages that are not read.
        return emptied(await fetch(url, init), type === 'sse' ? 202 : 200)
      }
      const request = { id, method }
      if (method === 'initialize') return send(request, url, withoutCapabilities(sent, init), false)
      if (method === 'server/discover') return discover(request, url, init)
      return send(request, url, init, new Headers(init.headers).has('mcp-session-id'))
    },
  }
}

/**
 * An `initialize` that offers nothing: a server of these revisions asks the person with a request of its
 * own, and waits for the answer with the call open.
 */
function withoutCapabilities(sent: Message | Readonly<Record<string, unknown>>, init: RequestInit) {
  const params = isRecord(sent['params']) ? sent['params'] : {}
  return { ...init, body: JSON.stringify({ ...sent, params: { ...params, capabilities: {} } }) }
}

/** No answer, or none that can be read: an older server may do that to a method it does not know. */
function mayBeOld({ reason }: OutboundError): boolean {
  return reason === 'broken_answer' || reason === 'timeout' || reason === 'too_large'
}

/**
 * Whether a refusal says that the session is unknown, so that the request may be sent again. A server
 * that answers in the protocol has read the request and may have carried it out, so its error must
 * name the session: by the code, or in words where it answers no request of ours.
 */
function endsSession(status: number, body: string, request: Waiting): boolean {
  if (status !== 404 && status !== 400 && status !== 410) return false
  const messages = (eventData(body) ?? [body]).map(parse).flat().filter(isRecord)
  const answers = messages.filter((message) => 'error' in message || 'result' in message)
  if (answers.length === 0) return status === 404 || unknownSession.test(body)
  return answers.every(({ id, error }) => {
    const { code, message } = isRecord(error) ? error : {}
    if (code === sessionNotFound) return true
    const isOurs = isId(id) && String(id) === String(request.id)
    return !isOurs && typeof message === 'string' && unknownSession.test(message)
  })
}

function isModern(result: unknown): boolean {
  return isRecord(result) && textsOf(result['supportedVersions']).length > 0
}

/** The messages up to the first answer; the rest of the stream is given up. */
async function firstAnswer(response: Response): Promise<Message[]> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  for (let events = 0; reader && events < mostEvents; events += 1) {
    // Each piece is a whole event: see repairEvents.
    const { done, value } = await reader.read()
    if (done) return []
    const messages = (eventData(value) ?? []).map(parse).filter(isRecord)
    if (messages.some((message) => 'result' in message || 'error' in message)) {
      await giveUp(reader)
      return messages as Message[]
    }
  }
  await giveUp(reader)
  return []
}

function isEventStream(response: Response): boolean {
  return /^\s*text\/event-stream\b/i.test(response.headers.get('content-type') ?? '')
}

/** What the library reads of the head of an answer. */
function keptHeaders(response: Response): Headers {
  const kept = new Headers()
  const session = response.headers.get('mcp-session-id')
  if (session !== null) kept.set('mcp-session-id', session)
  kept.set('content-type', isEventStream(response) ? 'text/event-stream' : 'application/json')
  return kept
}

async function emptied(response: Response, status: number): Promise<Response> {
  await giveUp(response.body)
  return new Response(null, { status, headers: keptHeaders(response) })
}

function methodOf(body: unknown): unknown {
  const sent = parse(typeof body === 'string' ? body : '')
  return isRecord(sent) ? sent['method'] : undefined
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    return undefined // Not JSON: no message of the protocol.
  }
}
