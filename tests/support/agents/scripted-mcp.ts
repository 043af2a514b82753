import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { onTestFinished } from 'vitest'

/** A message that the server was sent. */
export interface Sent {
  /** Of the message, else of the HTTP request. */
  readonly method: string
  readonly id?: string | number
  readonly params?: Readonly<Record<string, unknown>>
  readonly path: string
  readonly headers: IncomingMessage['headers']
}

/** An answer by hand; otherwise a script returns the result. */
export type ByHand = (response: ServerResponse, sent: Sent) => void
export type Script = Readonly<Record<string, unknown>>

export interface ScriptedServer {
  readonly endpoint: string
  readonly sent: Sent[]
  /** Results by method, ByHand, or a function of the message that gives either. */
  script: Script
  /** Methods in the order they came. */
  methods(): string[]
}

export const byHand = (answer: ByHand): ByHand => answer
export const status = (code: number, body = '', headers: Record<string, string> = {}): ByHand =>
  byHand((response) => response.writeHead(code, headers).end(body))
/** Never answers. */
export const silence: ByHand = () => undefined

export const tool = (name: string, more: object = {}) => ({
  name,
  inputSchema: { type: 'object' },
  ...more,
})

/** What a server of 2025-11-25 answers to the first message. */
export const initialized = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: {} },
  serverInfo: { name: 'scripted', version: '1' },
}
/** What one of 2026-07-28 answers. */
export const discovered = {
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: {} },
  ttlMs: 0,
  cacheScope: 'private',
}

/** An MCP server that answers exactly what a test writes down, well formed or not. */
export async function startScripted(script: Script): Promise<ScriptedServer> {
  const scripted: ScriptedServer & { endpoint: string } = {
    endpoint: '',
    sent: [],
    script,
    methods: () => scripted.sent.map(({ method }) => method),
  }
  const http = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => answer(scripted, request, response, body))
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    http.closeAllConnections()
    await new Promise<void>((resolve) => http.close(() => resolve()))
  })
  const address = http.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  scripted.endpoint = `http://127.0.0.1:${address.port}/mcp`
  return scripted
}

function answer(
  scripted: ScriptedServer,
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
): void {
  const message = (body === '' ? {} : JSON.parse(body)) as Partial<Sent>
  const method = message.method ?? request.method ?? ''
  const sent: Sent = { ...message, method, path: request.url ?? '', headers: request.headers }
  scripted.sent.push(sent)
  const entry = scripted.script[method]
  const said: unknown = isScriptOfMessage(entry) ? entry(sent) : entry
  if (typeof said === 'function') return (said as ByHand)(response, sent)
  if (sent.id === undefined) return void response.writeHead(202).end()
  const reply =
    said === undefined ? { error: { code: -32601, message: 'no such method' } } : { result: said }
  json(response, { jsonrpc: '2.0', id: sent.id, ...reply })
}

export function json(response: ServerResponse, body: unknown, headers = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

type OfMessage = ((sent: Sent) => unknown) & { readonly ofMessage: true }

/** An entry that depends on the message. */
export function each(answerOf: (sent: Sent) => unknown): OfMessage {
  return Object.assign(answerOf, { ofMessage: true as const })
}

function isScriptOfMessage(entry: unknown): entry is OfMessage {
  return typeof entry === 'function' && 'ofMessage' in entry
}
