import { toStorableText } from '../storable.ts'
import type { ServerRefused } from './mcp/server-refused.ts'
import type { ToolErrorCode } from './tool-server.ts'

const longestBody = 2_000

/** The text for the model when the outcome of a call is unknown. */
export const unknownText =
  'The outcome of this call is unknown: it may have been carried out. Do not repeat it unasked.'

/** The text for the model about a call that waits for the person and cannot. */
export const needsInputText =
  'The tool asked the person for input, and this call cannot wait for the answer. It was not carried out.'

/** @param problem completes the sentence */
export const askedWronglyText = (problem: string) =>
  `The tool asked the person for input that was refused: ${problem}.`

export const declinedText = 'The person did not do what the tool asked for first.'
export const asksTooOftenText =
  'The tool asked the person for input again and again, and was stopped.'

const reasons: Readonly<Record<ToolErrorCode, string>> = {
  tool_not_found: 'there is no such tool',
  tool_off: 'the tool is switched off',
  tool_changed: 'the tool has changed and has not been reviewed yet',
  tool_not_available: 'the server of the tool is not available any more',
  too_many_tool_calls: 'too many calls at once',
  step_limit: 'no more calls are made for this answer',
  tool_call_denied: 'the person did not approve it',
  tool_call_superseded: 'the person did not approve it',
  tool_approval_expired: 'the person did not approve it in time',
  tool_call_changed: 'it is not what was approved',
}

/** The text for the model about a call that was not made. */
export function notMadeText(code?: ToolErrorCode): string {
  return code === undefined
    ? 'This call was not made.'
    : `This call was not made: ${reasons[code] ?? code}.`
}

/**
 * The text for the model about a call that the server refused by a status; the body is foreign
 * text.
 */
export function refusedText({
  status,
  body,
  retryAfter,
}: Pick<ServerRefused, 'status' | 'body' | 'retryAfter'>): string {
  const wait =
    retryAfter === null ? '' : ` It may be asked again in ${Math.ceil(retryAfter / 1_000)} seconds.`
  const said = toStorableText(body.trim().slice(0, longestBody))
  return `The server answered this call with status ${status}.${wait}${said && `\n${said}`}`
}
