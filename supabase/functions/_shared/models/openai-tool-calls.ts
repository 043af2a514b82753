import { countOf, isRecord, stringOf } from '../json.ts'
import type { AnswerBuilder } from './answer-builder.ts'
import { ModelError } from './model-error.ts'

type Json = Record<string, unknown>

/**
 * Adds the calls of a message, or their pieces in a delta. What is not understood is an error: a call
 * with other arguments than the model's would be made.
 * @throws ModelError `provider_malformed_response`
 */
export function addToolCalls(delta: Json, isWhole: boolean, answer: AnswerBuilder): void {
  const calls = delta['tool_calls'] ?? []
  if (!Array.isArray(calls)) throw malformed('tool_calls is not an array')
  for (const call of calls as unknown[]) addToolCall(call, isWhole, answer)
  // The older form of one call, which some services still speak.
  const older = delta['function_call']
  if (isRecord(older)) addToolCall({ index: 0, function: older }, isWhole, answer)
}

function addToolCall(call: unknown, isWhole: boolean, answer: AnswerBuilder): void {
  if (!isRecord(call)) throw malformed('a tool call is not an object')
  const called = call['function'] ?? {}
  if (!isRecord(called)) throw malformed('the function of a tool call is not an object')
  const type = call['type'] ?? 'function'
  if (type !== 'function' && type !== '') throw malformed('a tool call of an unknown type')
  const name = called['name'] ?? null
  if (name !== null && typeof name !== 'string') throw malformed('the name of a tool call')
  const index = countOf(call['index'])
  const id = typeof call['id'] === 'number' ? String(call['id']) : stringOf(call['id'])
  const piece = { id, name: name === '' ? null : name, arguments: argumentsOf(called) }
  // In a whole message each call stands by itself, whatever its index says.
  if (isWhole) answer.wholeToolCall({ ...piece, index: null })
  else answer.toolCall({ ...piece, index })
}

/** JSON text; some services send the object itself, which is as good. */
function argumentsOf({ arguments: given }: Json): string {
  if (given === undefined || given === null) return ''
  if (typeof given === 'string') return given
  if (isRecord(given)) return JSON.stringify(given)
  throw malformed('the arguments of a tool call are neither text nor an object')
}

function malformed(detail: string): ModelError {
  return new ModelError('provider_malformed_response', { detail })
}
