import { isRecord } from '../json.ts'
import { ModelError } from './model-error.ts'

/** The JSON object in one frame. @throws ModelError `provider_malformed_response` */
export function parseFrame(data: string): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(data)
  } catch {
    // The parser's message quotes the answer, which is the user's content: not for a log.
    parsed = undefined
  }
  if (isRecord(parsed)) return parsed
  const detail = `a frame of ${data.length} characters that is not a JSON object`
  throw new ModelError('provider_malformed_response', { detail })
}
