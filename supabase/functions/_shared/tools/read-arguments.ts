import { findMismatch } from '../json-schema/find-mismatch.ts'
import { isRecord } from '../json.ts'
import { checkableSchema } from './checkable-schema.ts'
import { maxArgumentsLength } from './tool-limits.ts'
import type { ToolDefinition } from './tool-server.ts'

/** Arguments that may be sent, or the text that tells the model what to correct. */
export type ReadArguments =
  | { readonly args: Readonly<Record<string, unknown>>; readonly problem?: never }
  | { readonly args?: never; readonly problem: string }

type Fields = Readonly<Record<string, unknown>>

/** Units of work for one call; see findMismatch(). */
const budget = 200_000

/** Reads the arguments that a model wrote, and checks them against the tool's schema. */
export function readArguments(text: string, { input_schema }: ToolDefinition): ReadArguments {
  if (text.length > maxArgumentsLength) return { problem: 'The arguments are too long.' }
  let args: unknown
  try {
    args = JSON.parse(text === '' ? '{}' : text)
  } catch {
    return { problem: 'The arguments are not JSON.' }
  }
  if (!isRecord(args)) return { problem: 'The arguments are not a JSON object.' }
  const schema = checkableSchema(input_schema)
  const mismatch = schema && findMismatch(schema, args, budget)
  if (!mismatch) return { args }
  // Models write null where they want nothing. Where the schema takes no null, it is left out.
  const without = withoutOptionalNulls(args, input_schema)
  if (!findMismatch(schema, without, budget)) return { args: without }
  const { path, keyword } = mismatch
  const place = path === '' ? 'The arguments do' : `At "${path}" the arguments do`
  return { problem: `${place} not match the schema of the tool: ${keyword}.` }
}

/** An object without the fields that are null and not required, also in the objects that it holds. */
function withoutOptionalNulls(value: Fields, { required, properties }: Fields): Fields {
  const needed = Array.isArray(required) ? (required as unknown[]) : []
  const named = isRecord(properties) ? properties : {}
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, field]) => field !== null || needed.includes(name))
      .map(([name, field]) => {
        const schema = Object.hasOwn(named, name) ? named[name] : undefined
        const isNested = isRecord(field) && isRecord(schema)
        return [name, isNested ? withoutOptionalNulls(field, schema) : field]
      }),
  )
}
