import type { Sql } from 'postgres'

const notCode = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'/g
const write = /\bdelete\s+from\s+[\w.]+|\bupdate\s+[\w.]+(?:\s+(?:as\s+)?\w+)?\s+set\b/gi

/**
 * The UPDATE and DELETE statements of a function that have no WHERE of their own. The platform loads
 * safeupdate for PostgREST's connections: it refuses them, within functions too (21000).
 *
 * @param source the function's definition or any other SQL
 */
export function unboundedWrites(source: string): string[] {
  const code = source.replace(notCode, "''")
  return [...code.matchAll(write)]
    .filter(({ index, 0: start }) => !/\bwhere\b/i.test(restOf(code, index + start.length)))
    .map(([start]) => start.replace(/\s+/g, ' '))
}

/** To the end of the statement: what stands within parentheses is not its own. */
function restOf(code: string, from: number): string {
  let depth = 0
  let own = ''
  for (let at = from; at < code.length; at++) {
    const sign = code.charAt(at)
    if (sign === '(') depth++
    if (sign === ')') depth--
    if (depth < 0 || (depth === 0 && sign === ';')) break
    if (depth === 0) own += sign
  }
  return own
}

/** One line per offence in the functions of the schemas. */
export async function findUnboundedWrites(sql: Sql, schemas: readonly string[]): Promise<string[]> {
  const functions = await sql<{ name: string; definition: string }[]>`
    select p.oid::regprocedure::text as name, pg_get_functiondef(p.oid) as definition
    from pg_catalog.pg_proc p
    where p.pronamespace = any(${schemas}::text[]::regnamespace[]) and p.prokind in ('f', 'p')
      and not exists (select from pg_catalog.pg_depend d where d.objid = p.oid and d.deptype = 'e')
    order by 1`
  return functions.flatMap(({ name, definition }) =>
    unboundedWrites(definition).map((start) => `function ${name} writes without a WHERE: ${start}`),
  )
}
