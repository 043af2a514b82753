import type { Rows } from '../postgres/pg-pool.ts'

/** Rows as JSON that PostgreSQL writes. */
export const jsonRows: Rows = {
  ask: asJsonRows,
  read: ({ answer }) => JSON.parse(String(answer)) as Record<string, unknown>,
}

/**
 * The statement with each row as JSON that PostgreSQL writes, as PostgREST asks for it: numbers of any
 * type as numbers, times in ISO 8601, bytes and composite values in their JSON form.
 */
function asJsonRows(text: string): string {
  const statement = text.replace(/^\s+/, '')
  if (/^(select|with)\b/i.test(statement)) {
    return `select row_to_json(answer)::text as answer from (${statement}) answer`
  }
  if (/^(insert|update|delete|merge)\b/i.test(statement) && returnsRows(statement)) {
    return `with answer as (${statement}) select row_to_json(answer)::text as answer from answer`
  }
  return text
}

/** Outside of quoted names and texts, which the statements of lite have no other kinds of. */
function returnsRows(statement: string): boolean {
  return /\breturning\b/i.test(statement.replace(/"(?:[^"]|"")*"|'(?:[^']|'')*'/g, ''))
}
