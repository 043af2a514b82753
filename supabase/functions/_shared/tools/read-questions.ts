import { isRecord } from '../json.ts'
import { toStorableText } from '../storable.ts'
import {
  type Elicitation,
  isKeepable,
  jsonBytes,
  maxMessage,
  maxQuestions,
  maxQuestionsBytes,
  maxStateBytes,
  maxUrl,
  type Question,
} from './elicitation.ts'
import { readForm } from './form-schema.ts'

type Fields = Readonly<Record<string, unknown>>

/** Questions, or the reason why the person is not asked: of ours, no foreign text. */
export type ReadElicitation =
  | { readonly elicitation: Elicitation; readonly problem?: never }
  | { readonly elicitation?: never; readonly problem: string }

/** 2026-07-28, "Multi round-trip requests": a result that needs input first. */
export function readInputRequired({ inputRequests, requestState }: Fields): ReadElicitation {
  const state = requestState ?? null
  if (state !== null && typeof state !== 'string') return { problem: 'its state is no text' }
  if (state !== null && jsonBytes(state) > maxStateBytes)
    return { problem: 'its state is too long' }
  if (inputRequests != null && !isRecord(inputRequests)) return { problem: 'it asks nothing' }
  const given = Object.entries((inputRequests ?? {}) as Fields)
  if (given.length === 0 && state === null) return { problem: 'it asks nothing' }
  return readQuestions(
    given.map(([key, request]) => [key, isRecord(request) ? request : {}]),
    { state, takesAnswers: true },
  )
}

/** 2025-11-25, "URL elicitation required": an error that names pages to visit first. */
export function readUrlRequired(data: unknown): ReadElicitation {
  const { elicitations } = isRecord(data) ? data : {}
  const given = Array.isArray(elicitations) ? (elicitations as unknown[]) : []
  if (given.length === 0) return { problem: 'it names no page' }
  const requests = given.map((params, place): [string, Fields] => {
    const { elicitationId: id, ...others } = isRecord(params) ? params : {}
    const isNamed = typeof id === 'string' && id !== ''
    return [isNamed ? id : `page ${place + 1}`, { ...elicit, params: { ...others, mode: 'url' } }]
  })
  return readQuestions(requests, { state: null, takesAnswers: false })
}

const elicit = { method: 'elicitation/create' } as const

function readQuestions(
  requests: readonly (readonly [string, Fields])[],
  rest: Pick<Elicitation, 'state' | 'takesAnswers'>,
): ReadElicitation {
  if (requests.length > maxQuestions) {
    return { problem: `it asks more than ${maxQuestions} questions at once` }
  }
  const questions: Question[] = []
  for (const [key, { method, params }] of requests) {
    if (!isKeepable(key)) return { problem: 'a question has a name that cannot be kept' }
    if (questions.some((other) => other.key === key)) return { problem: 'it asks a question twice' }
    if (method !== elicit.method) return { problem: 'it asks for more than a person’s input' }
    const read = readQuestion(key, isRecord(params) ? params : {})
    if (typeof read === 'string') return { problem: read }
    questions.push(read)
  }
  if (jsonBytes(questions) > maxQuestionsBytes) {
    return { problem: 'its questions are too long' }
  }
  return { elicitation: { questions, ...rest } }
}

function readQuestion(key: string, params: Fields): Question | string {
  const { mode, message, requestedSchema, url } = params
  const text = typeof message === 'string' ? message.slice(0, maxMessage) : ''
  const asked = { key, message: toStorableText(text) }
  if (mode === 'url') {
    const page = readPage(url)
    return page ? { ...asked, mode, ...page } : 'it names a page that is no https address'
  }
  if (mode != null && mode !== 'form') return 'it asks in a way that is not known'
  const { schema, problem } = readForm(requestedSchema)
  return schema ? { ...asked, mode: 'form', schema } : problem
}

/** The address as a browser takes it, so that the host that is shown is the host that is visited. */
function readPage(given: unknown): { url: string; host: string } | null {
  if (typeof given !== 'string' || given.length > maxUrl || !URL.canParse(given)) return null
  const { href, host, hostname, protocol, username, password } = new URL(given)
  const isSafe = protocol === 'https:' && hostname !== '' && username === '' && password === ''
  return isSafe && href.length <= maxUrl ? { url: href, host } : null
}
