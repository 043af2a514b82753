/** The message of each stable code, by HTTP status: what happened, and what to do next. */
const messages = {
  400: {
    invalid_request: 'The request is not valid. Correct it and send it again.',
    context_length_exceeded:
      'The conversation is longer than the model can read. Shorten it or name another model.',
    content_filtered: 'The model provider refused the content of the request. Change the content.',
    provider_rejected_request:
      'The model provider rejected the request. Change its content or parameters.',
    invalid_connection:
      'The authorization is unknown, used, expired or was begun by another person. Begin again.',
    invalid_state: 'The callback belongs to no authorization under way. Begin again.',
  },
  401: {
    unauthorized: 'A valid credential is required. Sign in again or refresh the token.',
  },
  402: {
    budget_exceeded: 'A budget does not cover the request. Wait for its reset or raise it.',
  },
  403: {
    no_organization:
      'The account has no active organization. Create or join one, then refresh the token.',
    permission_denied:
      'The account lacks the permission. Ask an administrator of the organization for it.',
    access_revoked:
      'The access of the execution was revoked. Sign in again or ask an administrator.',
    access_denied: 'The person refused the authorization. Begin again to ask once more.',
    insufficient_scope: 'The MCP server asks for more scopes than were granted. Connect again.',
  },
  404: {
    not_found: 'There is nothing at this address. Check the path.',
    agent_not_found: 'The organization sees no agent of this name. Check the name.',
    model_not_found: 'The agent has no model of this name. Check the name.',
    session_not_found: 'The caller sees no chat session with this id. Check the id.',
    project_not_found: 'The organization has no project with this id. Check the id.',
    prompt_not_found: 'The library of the organization has no prompt of this name. Check the name.',
    message_not_found: 'The chat session has no message with this id. Check the id.',
    execution_not_found: 'The caller sees no such execution. Check the id; it may be deleted.',
    parent_not_found: 'The chat session has no message with the id of the parent. Check the id.',
    mcp_configuration_not_found: 'The caller sees no such enabled MCP configuration. Check the id.',
    credential_not_found: 'The organization has no key for this provider. Nothing was removed.',
    tool_call_not_found: 'No tool call with this id waits for a decision. Check the id.',
    connection_not_found: 'The caller has no connection with this id. Check the id.',
    lens_not_found: 'The organization sees no lens with this id and version. Check them.',
    lens_run_not_found: 'The caller has no run of a lens with this id. Check the id.',
    block_not_found: 'The caller sees no block with this id. Check the id.',
    file_not_found: 'The chat session has no file at this path. Check the path.',
  },
  405: {
    method_not_allowed:
      'This address does not accept the method. The header allow lists its methods.',
  },
  408: {
    request_timeout: 'The request did not arrive in time. Send it again, faster or smaller.',
  },
  409: {
    conflict: 'The value is taken. Choose another one.',
    idempotency_conflict: 'The idempotency key was used for another request. Use a new key.',
    session_busy:
      'Another execution of this session is running. Wait for its end, or send on_busy: queue.',
    session_closed: 'The chat session is closed. Begin another one.',
    execution_in_progress: 'The execution is still running. Ask again later with the same key.',
    attempt_over: 'Another worker goes on with the execution. Follow its stream.',
    execution_cancelled: 'The execution was cancelled. The session keeps the text so far.',
    person_answers:
      'A person answers in this chat session. The message is stored; wait for the answer there.',
    price_unknown:
      'A money budget applies, and a model has no price. Name another model or add its price.',
    quota_exceeded: 'A quota of stored rows or bytes is used up. Delete rows first.',
    tool_call_decided:
      'The tool call was decided before, or the conversation continued without it. Ask the agent again.',
    tool_approval_expired:
      'The tool call was not approved in time, and was not made. Ask the agent again.',
    connection_needs_authorization:
      'The caller has no authorized connection to the MCP server. Connect first.',
    authorization_server_changed:
      'The MCP server moved to another authorization server. Connect again.',
    mcp_configuration_changed:
      'The configuration names another server now. Read its endpoint, and send the request again.',
  },
  422: {
    file_name_not_allowed:
      'The path or the name of the file has another form than files have. Rename the file.',
    file_type_not_allowed:
      'No file may have this type, or its name has the extension of another. Convert the file.',
    file_type_mismatch:
      'The content of the file is not what its type says. Upload the file with its true type.',
    file_too_large:
      'The files of one message are larger than 8 MiB together. Send smaller or fewer files.',
    file_not_replaceable: 'A file is neither replaced nor moved. Upload it under a new uuid.',
    provider_unsupported_output:
      'The model answered with a sound, or with pictures that are not passed on. Name another model.',
    answer_does_not_match_schema:
      'The answer of the model does not match the requested format. Ask again or simplify the format.',
    lens_run_too_large: 'One run of a lens may not read or call so much. Run it over less.',
    mcp_stdio_not_supported:
      'The backend never runs a stdio server. Use a configuration of type http.',
    server_needs_credential:
      'The MCP server asks for a credential. Set up OAuth or a token for it.',
    address_not_allowed:
      'The address is not https, is private, or is not on the list. Use another address.',
    registration_not_supported:
      'The authorization server offers no registration. A manager must enter a client for it.',
    provider_key_rejected:
      'The provider refuses this key or its account. Nothing was stored: correct the key.',
  },
  429: {
    rate_limited: 'A limit per minute is reached. Try again after the time in retry-after.',
    too_many_executions:
      'Too many executions are running. Try again after the time in retry-after.',
    too_many_requests:
      'One person has too many requests at once. Try again after the time in retry-after.',
  },
  500: {
    credential_unreadable:
      'The stored credential cannot be opened. Connect again, or enter the token again.',
    internal_error: 'Something went wrong on our side. Report it with the header x-request-id.',
    interrupted: 'The worker ended before the execution did. Ask again with regenerate.',
  },
  502: {
    provider_error: 'The model provider failed. Try again later.',
    provider_unreachable: 'The model provider could not be reached. Try again later.',
    provider_rate_limited: 'The model provider refuses more requests for now. Try again later.',
    provider_stream_truncated: 'The answer of the model provider was cut off. Ask again.',
    provider_malformed_response:
      'The model provider sent an answer that breaks its protocol. Ask again.',
    provider_empty_response: 'The model sent an empty answer. Ask again.',
    provider_model_not_found:
      'The model provider does not offer this model. An operator must correct the model.',
    provider_unauthorized:
      'The model provider refused the configured credential. An operator must replace it.',
    provider_payment_required:
      'The account at the model provider has no credit left. An operator must pay.',
    provider_misconfigured:
      'The configuration of the model provider is wrong. An operator must correct it.',
    invalid_scope:
      'The authorization server does not grant these scopes. Ask the operator of the MCP server.',
    server_forbids: 'The MCP server refuses this account. Ask its operator for access.',
    server_failed: 'The MCP server failed. Try again later.',
    server_revision_not_supported:
      'The MCP server speaks a revision of MCP that is not supported here. Its operator must update it.',
    server_moved:
      'The MCP server sends its clients to another address. Enter that address as the endpoint.',
    not_an_mcp_server: 'There is no MCP server at the endpoint. Correct the endpoint.',
    server_unreachable:
      'The MCP server could not be reached. Check the endpoint or try again later.',
    authorization_not_supported:
      'The MCP server publishes no metadata of its authorization. Store a bearer token or use none.',
    pkce_not_supported:
      'The authorization server does not declare PKCE with S256. A manager can add an exception.',
    issuer_mismatch:
      'The authorization server names another issuer than expected. No code was sent to it.',
    registration_failed:
      'The authorization server refused to register a client. A manager can enter one.',
    client_rejected:
      'The authorization server does not know the client. Connect again or correct the client.',
    authorization_failed: 'The authorization server refused the code. Begin again.',
    authorization_server_error:
      'The answer of the authorization server breaks its protocol. Try again later.',
    authorization_server_refused:
      'The authorization server refused the request. Connect again if this does not pass.',
    authorization_server_unreachable: 'The authorization server is out of reach. Try again later.',
  },
  503: {
    files_unavailable: 'Storage cannot be reached, or the project has none. Try again later.',
    authorization_server_busy: 'The authorization server is over its limit. Try again later.',
    server_paused: 'The MCP server was silent and is paused. Try again in half a minute.',
    server_busy: 'The MCP server is over its limit. Try again later.',
    connection_busy:
      'A refresh of the connection takes long. Try again after the time in retry-after.',
    database_unavailable:
      'The database cannot be reached. Try again after the time in retry-after.',
    auth_unavailable: 'The signing keys cannot be read. Try again later.',
    circuit_open:
      'The model is paused after repeated failures. Try again later or name another model.',
    model_unavailable: 'The agent has no enabled model. Enable a model or name another agent.',
    not_configured: 'The server lacks a setting that the request needs. An operator must set it.',
    provider_not_configured: 'The model provider has no key. An operator must set one.',
    worker_ending: 'This worker is about to end. Send the request again.',
  },
  504: {
    provider_timeout: 'The model provider did not answer in time. Ask again.',
    provider_stalled: 'The model stopped in the middle of its answer. Ask again.',
    answer_timeout: 'The whole answer takes longer than 145 s. Ask for a stream.',
  },
} as const satisfies Record<number, Record<string, string>>

type Status = keyof typeof messages
export type ErrorCode = { [S in Status]: keyof (typeof messages)[S] }[Status]

interface ErrorDefinition {
  readonly status: Status
  readonly message: string
}

/** Every code with which this backend answers. A test compares docs/error-codes.md with this list. */
export const errorCodes = Object.fromEntries(
  Object.entries(messages).flatMap(([status, codes]) =>
    Object.entries(codes).map(([code, message]) => [code, { status: Number(status), message }]),
  ),
) as Readonly<Record<ErrorCode, ErrorDefinition>>

/**
 * Seconds after which a request that was refused may be sent again, unless the refusal knows better. A
 * refusal that an operator must end has none.
 */
const retryAfter: Partial<Record<ErrorCode, number>> = {
  rate_limited: 60,
  too_many_executions: 5,
  too_many_requests: 1,
  authorization_server_busy: 30,
  server_paused: 30,
  server_busy: 30,
  connection_busy: 5,
  database_unavailable: 1,
  auth_unavailable: 5,
  files_unavailable: 5,
  circuit_open: 30,
  provider_timeout: 1,
  provider_stalled: 1,
  worker_ending: 1,
  answer_timeout: 1,
}

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
    const seconds = retryAfter[code]
    this.headers = {
      ...(seconds !== undefined && { 'retry-after': String(seconds) }),
      ...options.headers,
    }
  }
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

/** Makes an AppError of any error; the original is its cause. */
export function toAppError(error: unknown): AppError {
  return error instanceof AppError ? error : new AppError('internal_error', { cause: error })
}

/** A variable is missing or wrong. `problem` is for the log: it names the variable, never its value. */
export function notConfigured(problem: string): AppError {
  return new AppError('not_configured', { cause: problem })
}

/** Whether the error is an expected refusal that needs no operator. */
export function isExpected({ code, status }: AppError): boolean {
  return status < 500 || code === 'circuit_open'
}
