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
  retryAfterMs: number | null
}

const NO_ERROR: ErrorObject = { status: null, words: '', retryAfterMs: null }

/** The failure of an HTTP status other than 200; `body` is the readable part of the body. */
export function failureOfStatus(
  response: { status: number; headers: Headers },
  body: string,
  truncated: boolean,
  context: FailureContext,
): ModelError {
  const found = parseErrorBody(body)
  return new ModelError(classify(response.status, found.words), {
    status: response.status,
    retryAfterMs: parseRetryAfter(response.headers, context.now) ?? found.retryAfterMs,
    detail: `HTTP ${response.status}: ${redact(body, context.secrets, truncated)}`,
  })
}

/** The failure of an `error` object inside a 200 (whole body or one frame). */
export function failureOfErrorObject(error: unknown, context: FailureContext): ModelError {
  const found = readErrorObject(error)
  return new ModelError(classify(found.status, found.words), {
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
  if (value['error'] !== undefined && value['error'] !== null) return value['error']
  return value['object'] === 'error' ? value : undefined
}

function parseErrorBody(body: string): ErrorObject {
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    return NO_ERROR // A proxy's page or half a body: the HTTP status alone decides.
  }
  return readErrorObject(findErrorObject(parsed))
}

function readErrorObject(error: unknown): ErrorObject {
  if (!isRecord(error)) return NO_ERROR
  const status = Number(error['code'] ?? error['status'])
  const words = [error['code'], error['type'], error['status']].map(
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
  return {
    status: Number.isInteger(status) && status >= 400 && status < 600 ? status : null,
    words: words.join(' ').toLowerCase(),
    retryAfterMs,
  }
}

const wordRules: readonly (readonly [RegExp, ModelErrorCode])[] = [
  [/insufficient_quota|billing|payment|credits/, 'provider_payment_required'],
  [/rate_limit|resource_exhausted|too_many_requests/, 'provider_rate_limited'],
  [/api_key|authentication|unauthenticated|permission_denied/, 'provider_unauthorized'],
  [/model_not_found/, 'provider_model_not_found'],
  [/timeout|deadline_exceeded/, 'provider_timeout'],
  [
    /context_length|invalid_request|invalid_argument|content_policy|content_filter|moderation/,
    'provider_rejected_request',
  ],
]

function classify(status: number | null, words: string): ModelErrorCode {
  switch (status) {
    case null:
      return wordRules.find(([pattern]) => pattern.test(words))?.[1] ?? 'provider_error'
    case 401:
      return 'provider_unauthorized'
    case 402:
      return 'provider_payment_required'
    case 403:
      return words.includes('moderation') ? 'provider_rejected_request' : 'provider_unauthorized'
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
      if (status >= 400) return 'provider_rejected_request'
      // A redirect means a wrong base URL; it is never followed with a credential.
      return status >= 300 || status === 0
        ? 'provider_misconfigured'
        : 'provider_malformed_response'
  }
}
