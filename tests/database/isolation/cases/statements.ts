import type { Relation } from '../catalog.ts'
import type { Row, Value } from '../rules.ts'

export const literal = (value: string): string => `'${value.replaceAll("'", "''")}'`
export const quoted = (name: string): string => `"${name}"`

const list = (columns: readonly string[]): string => columns.map(quoted).join(', ')

/** Rows of a query as one JSON array, the way PostgREST asks for them. */
export const asJson = (query: string): string =>
  `with answer as (${query}) select coalesce(jsonb_agg(to_jsonb(answer)), '[]') from answer`

/** What a request for no representation comes down to. */
const minimal = ' returning 1'

/** The body as a table with the columns' own types, as PostgREST reads it. */
function body(relation: Relation, columns: readonly string[], rows: readonly Row[]): string {
  const types = columns.map((name) => {
    const column = relation.columns.find((one) => one.name === name)
    return `${quoted(name)} ${column?.type ?? 'text'}`
  })
  return `json_to_recordset(${literal(JSON.stringify(rows))}) as body (${types.join(', ')})`
}

/** @param shown columns of the representation; none for a minimal answer */
const returning = (shown: readonly string[]): string =>
  shown.length === 0 ? minimal : ` returning ${list(shown)}`

export const where = (filter: Row): string => {
  const parts = Object.entries(filter).map(
    ([name, value]) => `${quoted(name)} = ${constant(value)}`,
  )
  return parts.length === 0 ? '' : ` where ${parts.join(' and ')}`
}

function constant(value: Value): string {
  return value === null
    ? 'null'
    : literal(typeof value === 'object' ? JSON.stringify(value) : String(value))
}

/** Every column, as a client's `select('*')`. */
export function select(relation: Relation, filter: Row = {}): string {
  return asJson(`select * from ${relation.id}${where(filter)}`)
}

export function count(relation: Relation): string {
  return asJson(`select count(*) as count from ${relation.id}`)
}

export function insert(relation: Relation, row: Row, shown: readonly string[] = []): string {
  const columns = Object.keys(row)
  // A body without columns inserts the defaults, as `{}` does through PostgREST.
  if (columns.length === 0)
    return asJson(`insert into ${relation.id} default values${returning(shown)}`)
  const from = `select ${columns.map((name) => `body.${quoted(name)}`).join(', ')} from ${body(relation, columns, [row])}`
  return asJson(`insert into ${relation.id} (${list(columns)}) ${from}${returning(shown)}`)
}

/** `Prefer: resolution=merge-duplicates`: every column is set again on conflict. */
export function upsert(
  relation: Relation,
  row: Row,
  target: readonly string[],
  shown: readonly string[],
): string {
  const columns = Object.keys(row)
  const set = columns.map((name) => `${quoted(name)} = excluded.${quoted(name)}`)
  return asJson(`insert into ${relation.id} (${list(columns)})
    select ${columns.map((name) => `body.${quoted(name)}`).join(', ')} from ${body(relation, columns, [row])}
    on conflict (${list(target)}) do update set ${set.join(', ')}${returning(shown)}`)
}

export function update(
  relation: Relation,
  values: Row,
  filter: Row,
  shown: readonly string[] = [],
): string {
  const columns = Object.keys(values)
  const set = columns.map((name) => `${quoted(name)} = body.${quoted(name)}`)
  return asJson(`update ${relation.id} as target set ${set.join(', ')}
    from (select * from ${body(relation, columns, [values])}) body
    ${where(filter).replaceAll(/"(\w+)" =/g, 'target."$1" =')}${returning(shown).replaceAll(/"(\w+)"/g, 'target."$1"')}`)
}

export function remove(relation: Relation, filter: Row, shown: readonly string[] = []): string {
  return asJson(`delete from ${relation.id}${where(filter)}${returning(shown)}`)
}
