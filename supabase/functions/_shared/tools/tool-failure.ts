import { ProtocolError, SdkError, SdkErrorCode, SdkHttpError } from '@modelcontextprotocol/client'
import { AppError } from '../errors.ts'
import { OutboundError } from '../outbound/error.ts'
import { toStorableText } from '../storable.ts'
import { answerLost } from './mcp-transport.ts'
import { textResult, unknown } from './tool-result.ts'
import type { ToolErrorCode, ToolOutcome } from './tool-server.ts'
import { notMadeText } from './tool-texts.ts'

/** Outcome of a call that failed before it was sent. */
export function notMade(error: unknown): ToolOutcome {
  const code = connectFailure(error).code
  return failed(code, notMadeText(code))
}

/** Outcome of a call that failed on its way. Only what surely was refused is an error. */
export function callFailure(error: unknown): ToolOutcome {
  const cause = rootOf(error)
  if (cause instanceof AppError)
    return failed(cause.code, `The server refused this call: ${cause.code}.`)
  if (cause instanceof OutboundError) return outboundOutcome(cause)
  if (cause instanceof SdkHttpError) {
    const { status } = cause
    return status !== undefined && status < 500
      ? failed('tool_call_refused', `The server refused this call with status ${status}.`)
      : unknown('tool_answer_lost')
  }
  if (cause instanceof ProtocolError) {
    if (cause.code === answerLost) return unknown('tool_answer_lost')
    // For the model, which can do better; like every answer of a tool it is foreign text.
    return failed('tool_error', toStorableText(cause.message).slice(0, 2_000))
  }
  if (cause instanceof SdkError) {
    if (cause.code === SdkErrorCode.RequestTimeout) return unknown('tool_timeout')
    if (cause.code === SdkErrorCode.UnsupportedResultType) {
      return failed('tool_needs_input', 'The tool asks a person for input, which is not supported.')
    }
    if (cause.code === SdkErrorCode.InvalidResult) {
      return failed('tool_result_invalid', 'The answer of the tool does not follow the protocol.')
    }
  }
  return unknown('tool_answer_lost')
}

/** Why a server could not be connected to or listed. */
export function connectFailure(error: unknown): AppError {
  const cause = rootOf(error)
  if (cause instanceof AppError) return cause
  if (cause instanceof OutboundError) {
    return new AppError(isForbidden(cause) ? 'address_not_allowed' : 'server_unreachable', {
      cause: `${cause.name} ${cause.reason}`,
    })
  }
  const kind = cause instanceof Error ? cause.name : typeof cause
  const silent =
    kind === 'TimeoutError' ||
    (cause instanceof SdkError && cause.code === SdkErrorCode.RequestTimeout)
  return new AppError(silent ? 'server_unreachable' : 'not_an_mcp_server', { cause: kind })
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
    if (cause instanceof AppError || cause instanceof OutboundError) return cause
    if (!(cause instanceof Error) || cause.cause === undefined) break
    cause = cause.cause
  }
  return cause instanceof AppError || cause instanceof OutboundError ? cause : error
}
