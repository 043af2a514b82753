import { AppError } from '../errors.ts'
import { findMismatch } from '../json-schema/find-mismatch.ts'
import { isStrict } from '../json-schema/is-strict.ts'
import type { ParsedSchema } from '../json-schema/parse-schema.ts'
import type { ResponseFormat } from '../models/types.ts'

/** What a model is asked for: held to the schema where its provider can be, tried elsewhere. */
export function toResponseFormat(schema: ParsedSchema): ResponseFormat {
  return { type: 'json_schema', name: 'answer', schema: schema.root, strict: isStrict(schema) }
}

/**
 * The value that an answer is the JSON of, when it matches the schema that was asked for.
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

function parse(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    // Without the parser's message, which quotes the answer.
    throw new AppError('answer_does_not_match_schema', { cause: 'the answer is not JSON' })
  }
}
