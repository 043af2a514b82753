import { isRecord, stringOf } from '../json.ts'
import { redact } from '../log/redact.ts'
import { ModelError, type ModelErrorCode } from './model-error.ts'
import { parseRetryAfter, parseRetryDelay } from './retry-after.ts'

/** What a failure is judged by. */
export interface FailureContext {
  secrets: readonly string[]
  /** Milliseconds since the epoch. */
  now: number
}

interface ErrorObject {
  status: number | null
  /** Codes, types and reasons, lower-case; never the free text, which quotes the caller. */
  words: string
  /** Whether the sentence says that the request is too long, for which few services have a code. */
  tooLong: boolean
  retryAfterMs: number | null
}

const NO_ERROR: ErrorObject = { status: null, words: '', tooLong: false, retryAfterMs: null }

/** The failure of an HTTP status other than 200; `body` is the readable part of the body. */
export function failureOfStatus(
  response: { status: number; headers: Headers },
  body: string,
  truncated: boolean,
  context: FailureContext,
): ModelError {
  const found = parseErrorBody(body)
  return new ModelError(classify(response.status, found), {
    status: response.status,
    retryAfterMs: parseRetryAfter(response.headers, context.now) ?? found.retryAfterMs,
    detail: `HTTP ${response.status}: ${redact(body, context.secrets, truncated)}`,
  })
}

/** The failure of an `error` object inside a 200 (whole body or one frame). */
export function failureOfErrorObject(error: unknown, context: FailureContext): ModelError {
  const found = readErrorObject(error)
  return new ModelError(classify(found.status, found), {
    status: found.status,
    retryAfterMs: found.retryAfterMs,
    detail: `error in the answer: ${redact(JSON.stringify(error), context.secrets)}`,
  })
}

/**
 * The error object of an answer, or undefined: `{error: …}` (OpenAI, OpenRouter, Google), the same
 * in an array (Google without `alt=sse`) or `{object: "error", message}` (vLLM).
 */
export function findErrorObject(body: unknown): unknown {
  const value: unknown = Array.isArray(body) ? body[0] : body
  if (!isRecord(value)) return undefined
  if (isSaid(value['error'])) return value['error']
  return value['object'] === 'error' ? value : undefined
}

/** Some services have an empty error beside each answer. */
function isSaid(error: unknown): boolean {
  if (typeof error === 'object' && error !== null) return Object.keys(error).length > 0
  return error !== undefined && error !== null && error !== false && error !== ''
}

function parseErrorBody(body: string): ErrorObject {
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    return NO_ERROR // A proxy's page or half a body: the HTTP status alone decides.
  }
  // FastAPI has `detail`, and others the fields of an error without the error around them.
  const plain = isRecord(parsed)
    ? { ...parsed, message: parsed['message'] ?? parsed['detail'] }
    : parsed
  return readErrorObject(findErrorObject(parsed) ?? plain)
}

function readErrorObject(given: unknown): ErrorObject {
  // Hugging Face and Ollama have the sentence alone.
  const error = typeof given === 'string' ? { message: given } : given
  if (!isRecord(error)) return NO_ERROR
  const status = Number(error['code'] ?? error['status'])
  const inner = error['innererror']
  const innerCode = isRecord(inner) ? inner['code'] : null
  const words = [error['code'], error['type'], error['status'], innerCode].map(
    (value) => stringOf(value) ?? '',
  )
  let retryAfterMs: number | null = null
  const details: unknown[] = Array.isArray(error['details']) ? error['details'] : []
  for (const detail of details.filter(isRecord)) {
    retryAfterMs ??= parseRetryDelay(detail['retryDelay'])
    words.push(stringOf(detail['reason']) ?? '')
  }
  const metadata = error['metadata']
  // OpenRouter's moderation refusals carry the reasons the input was flagged for.
  if (isRecord(metadata) && Array.isArray(metadata['reasons'])) words.push('moderation')
  // It also passes on what the provider behind it said, as a text.
  const raw = isRecord(metadata) ? stringOf(metadata['raw']) : null
  const sentence = `${stringOf(error['message']) ?? ''}\n${raw ?? ''}`
  return {
    status: Number.isInteger(status) && status >= 400 && status < 600 ? status : null,
    words: words.join(' ').toLowerCase(),
    tooLong: tooLong.test(sentence.slice(0, 10_000)),
    retryAfterMs,
  }
}

/** OpenAI, vLLM, OpenRouter, Mistral; Anthropic; Gemini; xAI; llama.cpp and Ollama; Groq; Cohere. */
const tooLong = new RegExp(
  [
    'maximum context length',
    'context (?:length|window|size)[^.]{0,40}exceed',
    'exceeds?[^.]{0,60}context (?:length|window|size|limit)',
    'prompt is too long',
    'input is too long',
    'input token count[^.]{0,40}exceeds',
    'maximum prompt length',
    'reduce the length of the (?:messages|prompt)',
    'too many (?:input )?tokens',
  ].join('|'),
  'i',
)
const tooLongWords = /context_length|exceed_context_size|string_above_max_length/
const filterWords = /content_policy|content_filter|contentfilter|responsibleaipolicy|moderation/

const wordRules: readonly (readonly [RegExp, ModelErrorCode])[] = [
  [/insufficient_quota|billing|payment|credits/, 'provider_payment_required'],
  [/rate_limit|resource_exhausted|too_many_requests/, 'provider_rate_limited'],
  [/api_key|authentication|unauthenticated|permission_denied/, 'provider_unauthorized'],
  [/model_not_found/, 'provider_model_not_found'],
  [/timeout|deadline_exceeded/, 'provider_timeout'],
  [tooLongWords, 'context_length_exceeded'],
  [filterWords, 'content_filtered'],
  [/invalid_request|invalid_argument/, 'provider_rejected_request'],
]

function classify(status: number | null, found: ErrorObject): ModelErrorCode {
  const { words } = found
  switch (status) {
    case null: {
      const code = wordRules.find(([pattern]) => pattern.test(words))?.[1] ?? 'provider_error'
      const isOpen = code === 'provider_error' || code === 'provider_rejected_request'
      return found.tooLong && isOpen ? 'context_length_exceeded' : code
    }
    case 401:
      return 'provider_unauthorized'
    case 402:
      return 'provider_payment_required'
    case 403:
      return filterWords.test(words) ? 'content_filtered' : 'provider_unauthorized'
    case 404:
      return 'provider_model_not_found'
    case 408:
    case 504:
      return 'provider_timeout'
    case 429:
      // OpenAI answers 429 for an account without credit: waiting does not help there.
      return words.includes('insufficient_quota')
        ? 'provider_payment_required'
        : 'provider_rate_limited'
    default:
      if (status >= 500) return 'provider_error'
      if (status >= 400) return refusalOf(found)
      // A redirect means a wrong base URL; it is never followed with a credential.
      return status >= 300 || status === 0
        ? 'provider_misconfigured'
        : 'provider_malformed_response'
  }
}

/** Why the request itself was refused: people react differently to each of the three. */
function refusalOf({ words, tooLong: isTooLong }: ErrorObject): ModelErrorCode {
  if (isTooLong || tooLongWords.test(words)) return 'context_length_exceeded'
  return filterWords.test(words) ? 'content_filtered' : 'provider_rejected_request'
}
