import * as z from 'zod'
import { isRecord } from '../json.ts'

/**
 * The rule for what a request may carry, on `/v1` and on `invoke`. Requests about models are
 * lenient about messages and strict about parameters:
 *
 * 1. `contentObject` reads a message, a part of it, a tool call or a tool. It drops a key that no
 *    model would see: clients send answers back with all that their types have.
 * 2. `parameterObject` reads parameters. It refuses a key that is not acted on with its path: a
 *    parameter that seems to work and changes nothing misleads.
 * 3. null, and an empty form that means "not set", is "not set": `optional` and `dropUnset`.
 */
export const contentObject = z.object
export const parameterObject = z.strictObject

/** A value that may be absent or null, which are the same. */
export function optional<Schema extends z.ZodType>(schema: Schema) {
  return schema.nullish().transform((value) => value ?? undefined)
}

/** Forms in which a client says that it sets nothing, beside null. */
export type EmptyForm = 'list' | 'object' | 'text'

/**
 * The parameters that are set.
 * @param emptyForms of parameters for which an empty form means "not set". There is no general rule:
 *   an empty `web_search_options` switches the search on.
 */
export function dropUnset(
  body: Record<string, unknown>,
  emptyForms: Readonly<Record<string, readonly EmptyForm[]>>,
): Record<string, unknown> {
  const isUnset = ([name, value]: [string, unknown]) => {
    const forms = Object.hasOwn(emptyForms, name) ? emptyForms[name] : undefined
    return value === null || forms?.some((form) => isEmpty(value, form)) === true
  }
  return Object.fromEntries(Object.entries(body).filter((entry) => !isUnset(entry)))
}

function isEmpty(value: unknown, form: EmptyForm): boolean {
  if (form === 'text') return value === ''
  if (form === 'list') return Array.isArray(value) && value.length === 0
  return isRecord(value) && Object.keys(value).length === 0
}
