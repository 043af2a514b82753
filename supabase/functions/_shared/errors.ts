/** What each stable code means: its HTTP status and the only sentence a client is sent for it. */
interface ErrorDefinition {
  readonly status: 400 | 401 | 402 | 403 | 404 | 405 | 408 | 409 | 422 | 429 | 500 | 502 | 503 | 504
  readonly message: string
}

/** Every code this backend answers with. docs/error-codes.md is tested against this list. */
export const errorCodes = {
  invalid_request: { status: 400, message: 'The request is not valid.' },
  unauthorized: { status: 401, message: 'A valid credential is required.' },
  budget_exceeded: { status: 402, message: 'A budget does not cover the request.' },
  no_organization: { status: 403, message: 'The account has no active organization.' },
  permission_denied: { status: 403, message: 'The account may not do this.' },
  access_revoked: {
    status: 403,
    message: 'The access with which the execution began was revoked.',
  },
  not_found: { status: 404, message: 'There is nothing at this address.' },
  agent_not_found: { status: 404, message: 'There is no such agent.' },
  model_not_found: { status: 404, message: 'There is no such model for this agent.' },
  session_not_found: { status: 404, message: 'There is no such chat session.' },
  project_not_found: { status: 404, message: 'There is no such project.' },
  message_not_found: { status: 404, message: 'There is no such message in this session.' },
  execution_not_found: { status: 404, message: 'There is no such execution.' },
  parent_not_found: { status: 404, message: 'There is no such parent message.' },
  method_not_allowed: { status: 405, message: 'The method is not allowed at this address.' },
  request_timeout: { status: 408, message: 'The request did not arrive in time.' },
  conflict: { status: 409, message: 'The value is already taken.' },
  idempotency_conflict: {
    status: 409,
    message: 'The idempotency key was already used with another request.',
  },
  session_busy: { status: 409, message: 'Another execution of this session is still running.' },
  session_closed: { status: 409, message: 'The chat session is closed.' },
  execution_in_progress: { status: 409, message: 'The execution is still running.' },
  execution_cancelled: { status: 409, message: 'The execution was cancelled.' },
  price_unknown: {
    status: 409,
    message: 'A money budget applies, and the price of the model is unknown.',
  },
  quota_exceeded: { status: 409, message: 'A quota of stored rows or bytes is used up.' },
  answer_does_not_match_schema: {
    status: 422,
    message: 'The answer of the model does not match the requested format.',
  },
  rate_limited: {
    status: 429,
    message: 'More was begun or changed within a minute than is allowed.',
  },
  too_many_executions: { status: 429, message: 'Too many executions are running.' },
  too_many_requests: { status: 429, message: 'One person does this too often at once.' },
  internal_error: { status: 500, message: 'Something went wrong on our side.' },
  interrupted: { status: 500, message: 'The execution was interrupted before it ended.' },
  provider_error: { status: 502, message: 'The model provider failed.' },
  provider_unreachable: { status: 502, message: 'The model provider could not be reached.' },
  provider_rate_limited: { status: 502, message: 'The model provider is over its limit.' },
  provider_stream_truncated: {
    status: 502,
    message: 'The answer of the model provider was cut off.',
  },
  provider_malformed_response: {
    status: 502,
    message: 'The model provider sent an answer that cannot be read.',
  },
  provider_empty_response: { status: 502, message: 'The model sent an empty answer.' },
  provider_rejected_request: {
    status: 502,
    message: 'The model provider rejected the request.',
  },
  provider_model_not_found: {
    status: 502,
    message: 'The model provider does not offer this model.',
  },
  provider_unauthorized: {
    status: 502,
    message: 'The model provider refused the configured credential.',
  },
  provider_payment_required: {
    status: 502,
    message: 'The account at the model provider has no credit left.',
  },
  provider_misconfigured: {
    status: 502,
    message: 'The model provider is not configured correctly.',
  },
  provider_timeout: { status: 504, message: 'The model provider did not answer in time.' },
  provider_stalled: { status: 504, message: 'The model stopped in the middle of its answer.' },
  mcp_configuration_not_found: { status: 404, message: 'There is no such MCP configuration.' },
  credential_not_found: { status: 404, message: 'No key is stored for this provider.' },
  tool_call_not_found: { status: 404, message: 'No such tool call waits for a decision.' },
  tool_call_decided: { status: 409, message: 'The tool call was decided before.' },
  tool_approval_expired: {
    status: 409,
    message: 'The tool call was not approved in time, and was not made.',
  },
  connection_not_found: { status: 404, message: 'There is no such connection.' },
  invalid_connection: {
    status: 400,
    message: 'The authorization is unknown, used, expired or was begun by someone else.',
  },
  invalid_state: { status: 400, message: 'The answer belongs to no authorization under way.' },
  access_denied: { status: 403, message: 'The authorization was refused.' },
  invalid_scope: { status: 502, message: 'The authorization server does not grant these scopes.' },
  insufficient_scope: {
    status: 403,
    message: 'The MCP server asks for more than was granted: connect again.',
  },
  connection_needs_authorization: { status: 409, message: 'Connect to the MCP server first.' },
  connection_busy: { status: 503, message: 'The connection is being refreshed.' },
  mcp_stdio_not_supported: {
    status: 422,
    message: 'A stdio server cannot be used from here.',
  },
  address_not_allowed: { status: 422, message: 'The address may not be reached from here.' },
  not_an_mcp_server: { status: 502, message: 'There is no MCP server at the endpoint.' },
  server_unreachable: { status: 502, message: 'The MCP server could not be reached.' },
  authorization_not_supported: {
    status: 502,
    message: 'The MCP server does not say how to be authorized.',
  },
  pkce_not_supported: {
    status: 502,
    message: 'The authorization server does not declare PKCE with S256.',
  },
  issuer_mismatch: { status: 502, message: 'The authorization server is not the one expected.' },
  registration_not_supported: {
    status: 422,
    message: 'The authorization server knows no way to register: enter a client for it.',
  },
  registration_failed: {
    status: 502,
    message: 'The authorization server refused to register a client.',
  },
  client_rejected: { status: 502, message: 'The authorization server does not know the client.' },
  authorization_failed: { status: 502, message: 'The authorization server refused the code.' },
  authorization_server_error: {
    status: 502,
    message: 'The authorization server gave an answer that cannot be used.',
  },
  authorization_server_unreachable: {
    status: 502,
    message: 'The authorization server could not be reached.',
  },
  database_unavailable: { status: 503, message: 'The database cannot be reached right now.' },
  auth_unavailable: { status: 503, message: 'The signing keys cannot be read right now.' },
  provider_key_rejected: { status: 422, message: 'The provider does not accept this key.' },
  not_configured: { status: 503, message: 'This server lacks a setting that the request needs.' },
  circuit_open: { status: 503, message: 'The model is paused after repeated failures.' },
  model_unavailable: { status: 503, message: 'No model of this agent is available.' },
  provider_not_configured: { status: 503, message: 'The model provider has no key configured.' },
} as const satisfies Record<string, ErrorDefinition>

export type ErrorCode = keyof typeof errorCodes

/** Whether a text is one of our codes; a database message is only trusted when it is. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorCodes, value)
}

export interface AppErrorOptions {
  /** Replaces the code's sentence. It is sent to the client: never a foreign text. */
  readonly message?: string
  /** Dotted path of the offending field, such as `message.content`. */
  readonly path?: string
  /** What a program needs to act on the code, beside the sentence; sent to the client. */
  readonly details?: Readonly<Record<string, string | number | null>>
  /** Logged with the request id, never sent. */
  readonly cause?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** The one error that handlers throw; everything else becomes `internal_error`. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly status: ErrorDefinition['status']
  readonly path: string | undefined
  readonly details: AppErrorOptions['details']
  readonly headers: Readonly<Record<string, string>>

  constructor(
    readonly code: ErrorCode,
    options: AppErrorOptions = {},
  ) {
    super(options.message ?? errorCodes[code].message, { cause: options.cause })
    this.status = errorCodes[code].status
    this.path = options.path
    this.details = options.details
    this.headers = options.headers ?? {}
  }
}

/** A variable is missing or odd. `problem` is for the log: it names the variable, never its value. */
export function notConfigured(problem: string): AppError {
  return new AppError('not_configured', { cause: problem })
}

export interface ErrorEnvelope {
  readonly error: {
    readonly code: ErrorCode
    readonly message: string
    readonly path?: string
    readonly details?: NonNullable<AppErrorOptions['details']>
  }
}

/** The body of every answer that is not a success. */
export function toEnvelope({ code, message, path, details }: AppError): ErrorEnvelope {
  return {
    error: {
      code,
      message,
      ...(path !== undefined && { path }),
      ...(details !== undefined && { details }),
    },
  }
}

/** An error that says nothing to the client becomes one that does; the original is its cause. */
export function toAppError(error: unknown): AppError {
  return error instanceof AppError ? error : new AppError('internal_error', { cause: error })
}

/** Whether the error is a refusal in the ordinary course, and nothing that an operator must look at. */
export function isExpected({ code, status }: AppError): boolean {
  return status < 500 || code === 'circuit_open'
}
