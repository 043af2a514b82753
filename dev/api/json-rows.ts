import type { Rows } from '../postgres/pg-pool.ts'

/** The name of each row. A column of the same name would be read instead, so no client writes it. */
const row = '_colloquy_row'

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
  const statement = quoteArguments(text.replace(/^\s+/, ''))
  if (/^(select|with)\b/i.test(statement)) {
    return `select row_to_json(${row})::text as answer from (${statement}) ${row}`
  }
  if (/^(insert|update|delete|merge)\b/i.test(statement) && returnsRows(statement)) {
    return `with ${row} as (${statement}) select row_to_json(${row})::text as answer from ${row}`
  }
  return text
}

/** lite writes the names of arguments as they are; a name such as limit is a word of SQL. */
const quoteArguments = (statement: string) =>
  statement.replace(/\b([a-z_]\w*) := (?=\$)/g, '"$1" := ')

/** Outside of quoted names and texts, which the statements of lite have no other kinds of. */
function returnsRows(statement: string): boolean {
  return /\breturning\b/i.test(statement.replace(/"(?:[^"]|"")*"|'(?:[^']|'')*'/g, ''))
}
