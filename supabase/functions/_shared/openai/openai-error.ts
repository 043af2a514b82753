import { AppError, type ErrorCode } from '../errors.ts'

/** The body of a failed answer, as OpenAI's clients parse it. */
export interface OpenAiErrorBody {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: string | null
    readonly code: string | null
  }
}

export interface OpenAiError {
  readonly status: 400 | AppError['status']
  readonly body: OpenAiErrorBody
  readonly headers: Readonly<Record<string, string>>
}

type Rule = readonly [status: OpenAiError['status'], type: string, code: string]

/** A parameter that this endpoint does not act on, and will not pretend to. */
export class UnsupportedParameterError extends AppError {
  constructor(parameter: string) {
    const path = parameter.slice(0, 200)
    super('invalid_request', { message: `Unsupported parameter: '${path}'.`, path })
  }
}

/** A response that the caller cannot follow: unknown, another person's, not stored, or without an answer. */
export class UnknownResponseError extends AppError {
  constructor(id: string) {
    const message = `Previous response with id '${id.slice(0, 200)}' not found.`
    super('invalid_request', { message, path: 'previous_response_id' })
  }
}

/** Codes that OpenAI has words of its own for. Every other one keeps its status and its name. */
const rules: Partial<Record<ErrorCode, Rule>> = {
  invalid_request: [400, 'invalid_request_error', 'invalid_value'],
  unauthorized: [401, 'invalid_request_error', 'invalid_api_key'],
  agent_not_found: [404, 'invalid_request_error', 'model_not_found'],
  model_not_found: [404, 'invalid_request_error', 'model_not_found'],
  // OpenAI's code for an empty account; 402 has no class in its clients.
  budget_exceeded: [429, 'insufficient_quota', 'insufficient_quota'],
  rate_limited: [429, 'requests', 'rate_limit_exceeded'],
  too_many_executions: [429, 'requests', 'rate_limit_exceeded'],
  too_many_requests: [429, 'requests', 'rate_limit_exceeded'],
  answer_does_not_match_schema: [422, 'invalid_response_error', 'answer_does_not_match_schema'],
}

// One sentence for all: a client must not distinguish absent models from foreign ones.
const noSuchModel = 'The model does not exist or you do not have access to it.'

// OpenAI's clients repeat 409, 429 and 5xx by themselves, which helps none of these.
const neverRepeated: readonly ErrorCode[] = [
  'quota_exceeded',
  'budget_exceeded',
  'price_unknown',
  'idempotency_conflict',
  'execution_cancelled',
  'person_answers',
  // An operator has to act first.
  'provider_model_not_found',
  'provider_unauthorized',
  'provider_payment_required',
  'provider_misconfigured',
  'provider_not_configured',
]

/**
 * An error in OpenAI's shape (platform.openai.com/docs/guides/error-codes). `x-should-retry` is
 * the header by which its clients are told not to repeat a request by themselves.
 */
export function toOpenAiError(error: AppError): OpenAiError {
  const { code, status, path, headers } = error
  const type = status >= 500 ? 'server_error' : 'invalid_request_error'
  const [known, kind, word] = rules[code] ?? [status, type, code]
  const name = nameOf(error) ?? word
  const isModel = name === 'model_not_found'
  const param = isModel ? 'model' : path === undefined || path === '' ? null : toParam(path)
  return {
    status: known,
    body: {
      error: { message: isModel ? noSuchModel : error.message, type: kind, param, code: name },
    },
    headers: neverRepeated.includes(code) ? { ...headers, 'x-should-retry': 'false' } : headers,
  }
}

function nameOf(error: AppError): string | null {
  if (error instanceof UnsupportedParameterError) return 'unsupported_parameter'
  return error instanceof UnknownResponseError ? 'previous_response_not_found' : null
}

/** `messages.0.content` in OpenAI's spelling: `messages[0].content`. */
function toParam(path: string): string {
  return path.replaceAll(/\.(\d+)(?=\.|$)/g, '[$1]')
}
