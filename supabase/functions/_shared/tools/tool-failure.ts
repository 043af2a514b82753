import { ProtocolError, SdkError, SdkErrorCode, SseError } from '@modelcontextprotocol/client'
import { AppError } from '../errors.ts'
import { OutboundError } from '../outbound/error.ts'
import { toStorableText } from '../storable.ts'
import { answerLost, notProtocol } from './mcp/repair-message.ts'
import { ServerRefused } from './mcp/server-refused.ts'
import { type ReadElicitation, readUrlRequired } from './read-questions.ts'
import { textResult, unknown } from './tool-result.ts'
import type { ToolErrorCode, ToolOutcome } from './tool-server.ts'
import { askedWronglyText, needsInputText, notMadeText, refusedText } from './tool-texts.ts'

const longestReason = 2_000
/** 2025-11-25, "URL mode elicitation": the server sends a person to a page before it answers. */
const urlElicitationRequired = -32_042

/** Outcome of a call that failed before it was sent. */
export function notMade(error: unknown): ToolOutcome {
  const code = connectFailure(error).code
  const cause = rootOf(error)
  const said = cause instanceof ServerRefused ? `\n${refusedText(cause)}` : ''
  return failed(code, `${notMadeText(code)}${said}`)
}

/**
 * The outcome of a call that failed after it was sent. Only a certain refusal is an error;
 * otherwise it is unknown.
 */
export function callFailure(error: unknown): ToolOutcome {
  const cause = rootOf(error)
  if (cause instanceof AppError)
    return failed(cause.code, `The server refused this call: ${cause.code}.`)
  if (cause instanceof OutboundError) return outboundOutcome(cause)
  if (cause instanceof ServerRefused) {
    return cause.status < 500
      ? failed('tool_call_refused', refusedText(cause))
      : unknown('tool_answer_lost', refusedText(cause))
  }
  if (cause instanceof ProtocolError) {
    if (cause.code === answerLost || cause.code === notProtocol) return unknown('tool_answer_lost')
    if (cause.code === urlElicitationRequired) return asks(readUrlRequired(cause.data))
    // For the model, which can do better; like every answer of a tool it is foreign text.
    return failed('tool_error', toStorableText(cause.message).slice(0, longestReason))
  }
  if (cause instanceof SdkError) {
    if (cause.code === SdkErrorCode.RequestTimeout) return unknown('tool_timeout')
    if (cause.code === SdkErrorCode.InvalidResult) {
      return failed('tool_result_invalid', 'The answer of the tool does not follow the protocol.')
    }
  }
  return unknown('tool_answer_lost')
}

/** The outcome of a call that asks the person first; a call that cannot wait for it ends with this. */
export function asks({ elicitation, problem }: ReadElicitation): ToolOutcome {
  return elicitation
    ? { ...failed('tool_needs_input', needsInputText), elicitation }
    : failed('tool_input_invalid', askedWronglyText(problem))
}

/** Why a server could not be connected to or listed. */
export function connectFailure(error: unknown): AppError {
  const cause = rootOf(error)
  if (cause instanceof AppError) return cause
  if (cause instanceof ServerRefused) return refusalFailure(cause)
  if (cause instanceof OutboundError) {
    return new AppError(isForbidden(cause) ? 'address_not_allowed' : 'server_unreachable', {
      cause: `${cause.name} ${cause.reason}`,
    })
  }
  const kind = cause instanceof Error ? cause.name : typeof cause
  const silent =
    kind === 'TimeoutError' ||
    // Over SSE: a stream that broke off, and no status that refused it.
    (cause instanceof SseError && cause.code === undefined) ||
    (cause instanceof SdkError && cause.code === SdkErrorCode.RequestTimeout)
  if (silent) return new AppError('server_unreachable', { cause: kind })
  if (cause instanceof ProtocolError && cause.code !== answerLost && cause.code !== notProtocol) {
    return new AppError('server_failed', { cause: `${kind} ${cause.code}` })
  }
  const isOfOtherRevision = cause instanceof Error && unsupported.test(cause.message)
  return new AppError(isOfOtherRevision ? 'server_revision_not_supported' : 'not_an_mcp_server', {
    cause: kind,
  })
}

/** The protocol's library has no type of its own for this. */
const unsupported = /^Server's protocol version is not supported/

/** A server that answers, and with a status alone. */
function refusalFailure({ status, name, retryAfter }: ServerRefused): AppError {
  const cause = `${name} ${status}`
  if (status === 401) return new AppError('server_needs_credential', { cause })
  if (status === 403) return new AppError('server_forbids', { cause })
  if (status === 429 || (status >= 500 && retryAfter !== null)) {
    const seconds = retryAfter === null ? null : Math.ceil(retryAfter / 1_000)
    const headers = seconds === null ? {} : { 'retry-after': String(seconds) }
    return new AppError('server_busy', { cause, headers })
  }
  if (status < 400) return new AppError('server_moved', { cause })
  return new AppError(status >= 500 ? 'server_failed' : 'not_an_mcp_server', { cause })
}

function failed(error_code: ToolErrorCode, text: string): ToolOutcome {
  return { status: 'error', error_code, result: textResult(text) }
}

function outboundOutcome(error: OutboundError): ToolOutcome {
  if (isForbidden(error)) return failed('address_not_allowed', notMadeText('address_not_allowed'))
  if (error.reason === 'too_large' || error.reason === 'unsupported_encoding') {
    return failed(
      'tool_result_too_large',
      'The tool was called, but its answer is too large to be read.',
    )
  }
  if (error.reason === 'unreachable') {
    return failed('server_unreachable', notMadeText('server_unreachable'))
  }
  return unknown(error.reason === 'timeout' ? 'tool_timeout' : 'tool_answer_lost')
}

function isForbidden({ reason }: OutboundError): boolean {
  return /^(forbidden_|host_not_allowed|too_many_redirects)/.test(reason)
}

/** The protocol's library wraps what its fetch throws. */
function rootOf(error: unknown): unknown {
  let cause = error
  for (let depth = 0; depth < 5; depth += 1) {
    if (isOurs(cause)) return cause
    if (!(cause instanceof Error) || cause.cause === undefined) break
    cause = cause.cause
  }
  return isOurs(cause) ? cause : error
}

function isOurs(error: unknown): error is AppError | OutboundError | ServerRefused {
  return (
    error instanceof AppError || error instanceof OutboundError || error instanceof ServerRefused
  )
}
