import { isRecord } from '../../json.ts'
import { isDeeper } from '../read-definition.ts'

type Fields = Readonly<Record<string, unknown>>

/** JSON-RPC error of our own making, for a request whose answer can no longer come. */
export const answerLost = -32_099
/** JSON-RPC error of our own making, for an answer that does not follow the protocol. */
export const notProtocol = -32_098

/** What the protocol's library is given: it refuses a whole message for one field that is off. */
export type Message = { readonly jsonrpc: '2.0' } & Fields

/** A request that waits for its answer. */
export interface Waiting {
  readonly id: string | number
  readonly method: string
}

/** Keeps the results that we read ourselves; the library gets a key in their place. */
export class RawResults {
  readonly #kept = new Map<string, unknown>()
  #next = 0

  keep(result: unknown): string {
    const key = `raw-${(this.#next += 1)}`
    this.#kept.set(key, result)
    return key
  }

  /** The result as the server sent it, once; an answer of another way to a server stays as it is. */
  take(answer: unknown): unknown {
    const key = isRecord(answer) ? answer[rawKey] : undefined
    if (typeof key !== 'string' || !this.#kept.has(key)) return answer
    const result = this.#kept.get(key)
    this.#kept.delete(key)
    return result
  }
}

/** What `initialize` offers, and a server that names no revision takes. */
const offered = '2025-11-25'
const rawKey = 'colloquy'
const maxBatch = 100
const maxDataDepth = 8

/**
 * Repairs what one body or one event of a server holds: null is absent, unknown fields are ignored,
 * an error without an id answers the only request there is.
 * @param waiting takes the request that an answer with this id belongs to
 */
export function repairMessages(
  value: unknown,
  waiting: (id: unknown) => Waiting | undefined,
  raws: RawResults,
): Message[] {
  const given = Array.isArray(value) ? (value as unknown[]).slice(0, maxBatch) : [value]
  return given.flatMap((message) => {
    if (!isRecord(message)) return []
    const { id, method, error, result } = message
    const isAnswer = result !== undefined || isSaid(error)
    if (typeof method === 'string' && !isAnswer) return [repairRequest(message)]
    if (!isAnswer && !isRecord(error)) return []
    const failed = isSaid(error) || result === undefined
    const request = waiting(id)
    if (request === undefined) return []
    return [
      failed
        ? errorMessage(request.id, error)
        : { jsonrpc: '2.0', id: request.id, result: repairResult(request.method, result, raws) },
    ]
  })
}

/** Whether there is an error: some have an empty one beside each result. */
function isSaid(error: unknown): boolean {
  if (typeof error === 'object' && error !== null) return Object.keys(error).length > 0
  return Boolean(error)
}

/** An error as JSON-RPC requires it, for any value in its place. */
export function errorMessage(id: string | number, error: unknown): Message {
  const { code, message, data } = isRecord(error) ? error : { message: error }
  return {
    jsonrpc: '2.0',
    id,
    error: {
      code: Number.isSafeInteger(code) ? code : -32_603,
      message: typeof message === 'string' ? message.slice(0, 4_000) : 'no reason given',
      ...(isRecord(data) && !isDeeper(data, maxDataDepth) && { data }),
    },
  }
}

/** A request or notification of the server, its parameters without nulls. */
function repairRequest({ id, method, params }: Fields): Message {
  const given = isRecord(params) ? withoutNulls(params) : undefined
  const isProgress = method === 'notifications/progress' && given !== undefined
  return {
    jsonrpc: '2.0',
    ...(isId(id) && { id }),
    method,
    ...(given && { params: isProgress ? repairProgress(given) : given }),
  }
}

/** It only shows that the server is working. */
function repairProgress({ progressToken, progress }: Fields): Fields {
  return { progressToken, progress: typeof progress === 'number' ? progress : 0 }
}

function repairResult(method: string, result: unknown, raws: RawResults): unknown {
  const fields = isRecord(result) ? withoutNulls(result) : {}
  switch (method) {
    case 'initialize':
      return {
        protocolVersion: offered,
        ...textOf('protocolVersion', fields),
        ...repairServer(fields),
      }
    case 'server/discover':
      return {
        ...cacheable,
        ...repairServer(fields),
        supportedVersions: textsOf(fields['supportedVersions']),
      }
    case 'tools/list':
      return { ...cacheable, tools: [], [rawKey]: raws.keep(result) }
    case 'tools/call':
      return { resultType: 'complete', content: [], [rawKey]: raws.keep(result) }
    default:
      return { resultType: 'complete' }
  }
}

const cacheable = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' } as const

/** Of what a server says of itself, what the library must have. Whether it has tools, it is asked. */
function repairServer(fields: Fields): Fields {
  const { serverInfo } = fields
  const { name, version } = isRecord(serverInfo) ? serverInfo : {}
  return {
    capabilities: { tools: {} },
    serverInfo: {
      name: typeof name === 'string' ? name.slice(0, 256) : 'unnamed',
      version: typeof version === 'string' ? version.slice(0, 256) : '0',
    },
    ...textOf('instructions', fields),
  }
}

function textOf(name: string, { [name]: value }: Fields): Fields {
  return typeof value === 'string' ? { [name]: value } : {}
}

/** The texts of a list, or one text where a list was to be. */
export function textsOf(value: unknown): string[] {
  return [value].flat().filter((item) => typeof item === 'string')
}

function withoutNulls(fields: Fields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))
}

export function isId(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number'
}
