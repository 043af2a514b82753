import * as z from 'zod'
import { AppError } from '../errors.ts'

// PostgreSQL stores neither U+0000 nor half of a surrogate pair; either would end as a 500.
const unstorable = /[\u0000\p{Surrogate}]/u

/** A string that PostgreSQL can store. */
export const storableText = (max: number) =>
  z
    .string()
    .max(max)
    .refine((text) => !unstorable.test(text), 'contains a character that cannot be stored')

/**
 * Validates data against a schema.
 * @throws AppError `invalid_request` with the dotted path of the first offending field
 */
export function validate<Schema extends z.ZodType>(
  schema: Schema,
  data: unknown,
): z.output<Schema> {
  const result = schema.safeParse(data)
  if (result.success) return result.data
  const issue = furthest(result.error.issues)
  const path = pathOf(issue).join('.').slice(0, 200)
  const message = `${path}: ${issue.message}`.replace(/^: /, '').slice(0, 300)
  throw new AppError('invalid_request', { message, path })
}

type Issue = z.core.$ZodIssue

// Of a union's branches, the one that got furthest is the one the caller meant.
function furthest([first]: readonly Issue[]): Issue {
  if (!first) throw new Error('a failed validation without an issue')
  if (first.code !== 'invalid_union') return first
  const [meant] = first.errors
    .filter((branch) => branch.length > 0)
    .map(furthest)
    .toSorted((a, b) => pathOf(b).length - pathOf(a).length)
  if (!meant || pathOf(meant).length === 0) return first
  return { ...meant, path: [...first.path, ...meant.path] }
}

function pathOf(issue: Issue): PropertyKey[] {
  const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []
  return [...issue.path, ...unknownKey]
}
