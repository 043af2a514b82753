import { AppError } from '../errors.ts'
import { findMismatch } from '../json-schema/find-mismatch.ts'
import { isStrict } from '../json-schema/is-strict.ts'
import { type ParsedSchema, parseSchema } from '../json-schema/parse-schema.ts'
import type { ModelAnswer } from '../models/model-answer.ts'
import type { MessagePart, ResponseFormat } from '../models/model-protocol.ts'
import { type BegunExecution, type FinishedExecution, isRefusal } from './execution.ts'
import type { RunOptions } from './run-state.ts'

/**
 * The format for a model: its provider enforces the schema if it can; otherwise the model tries.
 */
export function toResponseFormat(schema: ParsedSchema): ResponseFormat {
  return { type: 'json_schema', name: 'answer', schema: schema.root, strict: isStrict(schema) }
}

/** The stored parameters, with the requested format. No model gets this name. */
export function keepFormat({
  params,
  asked,
}: Pick<BegunExecution, 'params' | 'asked'>): BegunExecution['params'] {
  const { responseFormat } = asked ?? {}
  // As text, in which the keys of a schema keep their order.
  return responseFormat ? { ...params, response_format: JSON.stringify(responseFormat) } : params
}

/** The format that keepFormat() stored in the parameters, for the execution that continues. */
export function keptFormat({
  params,
}: BegunExecution): Pick<BegunExecution, 'asked'> & Pick<RunOptions, 'check'> {
  const kept = params['response_format']
  if (typeof kept !== 'string') return {}
  const responseFormat = JSON.parse(kept) as ResponseFormat
  if (responseFormat.type !== 'json_schema') return { asked: { responseFormat } }
  const schema = parseSchema(responseFormat.schema)
  return {
    asked: { responseFormat },
    check: (answer) => checkFormat(schema, answer),
  }
}

/**
 * The JSON value of an answer, when it matches the requested schema.
 * @throws AppError `answer_does_not_match_schema`; its cause names the place and the keyword, and
 * quotes nothing
 */
export function checkAnswer(schema: ParsedSchema, content: string): unknown {
  const value = parse(content)
  const mismatch = findMismatch(schema, value)
  if (!mismatch) return value
  const { path, keyword } = mismatch
  throw new AppError('answer_does_not_match_schema', { cause: `${keyword} at "${path}"` })
}

/**
 * Checks an answer that was to have a format. A refusal has none, and says so by itself.
 * @throws AppError as checkAnswer()
 */
export function checkFormat(
  schema: ParsedSchema,
  { content, parts }: Pick<ModelAnswer, 'content' | 'parts'>,
): void {
  if (!isRefusal(parts)) checkAnswer(schema, content)
}

/**
 * The value of a stored answer; null when the model refused, or when it ended before one was asked
 * for, because a person must approve a call of a tool, answer its questions or answers in place of the
 * model, or the limit of steps was reached.
 * @throws AppError as checkAnswer()
 */
export function storedObject(
  schema: ParsedSchema,
  { finish_reason, message }: Pick<FinishedExecution, 'finish_reason' | 'message'>,
): unknown {
  if (unfinished.has(finish_reason ?? '')) return null
  if (isRefusal(message?.parts)) return null
  return checkAnswer(schema, lastText(message))
}

/** Reasons for which an answer has no value yet. */
const unfinished = new Set([
  'tool_approval_required',
  'tool_input_required',
  'step_limit',
  'person_answers',
])

/** What was said after the last tool; all of it when there was none. */
function lastText(message: FinishedExecution['message']): string {
  if (!message?.parts) return message?.content ?? ''
  const parts = message.parts as readonly MessagePart[]
  const tool = parts.findLastIndex(({ type }) => type === 'tool_call' || type === 'tool_result')
  const texts = parts.slice(tool + 1).map((part) => (part.type === 'text' ? part.text : ''))
  return texts.join('')
}

function parse(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    // Without the parser's message, which quotes the answer.
    throw new AppError('answer_does_not_match_schema', { cause: 'the answer is not JSON' })
  }
}
