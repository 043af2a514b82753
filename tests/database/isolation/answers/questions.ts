import type { Actor } from '../actors.ts'
import type { Relation, Routine } from '../catalog.ts'
import { argumentPools, argumentSets } from '../cases/arguments.ts'
import { relationExpectations } from '../expectations/index.ts'
import { routineExpectations } from '../expectations/routines.ts'
import { grantedColumns } from '../facts.ts'
import type { World } from '../world.ts'

/** One request, the same for both worlds. */
export interface Question {
  method: 'GET' | 'HEAD' | 'POST'
  /** Behind /rest/v1. */
  path: string
  schema: string
  headers: Readonly<Record<string, string>>
  body?: string
}

const counts = ['exact', 'planned', 'estimated'] as const
const plan = { accept: 'application/vnd.pgrst.plan+json; for="application/json"; options=analyze' }
const prefer = (count: string): Record<string, string> => ({ prefer: `count=${count}` })

/** Reads of every exposed table and view, with every way to count, and filters on each column. */
export function tableQuestions(world: World, relation: Relation, actor: Actor): Question[] {
  const [schema = '', name = ''] = relation.id.split('.')
  const expectation = relationExpectations[relation.id]
  if (expectation === undefined || actor.role === 'service_role') return []
  const columns = grantedColumns(relation, expectation, actor.role, 'select')
  // Rows come in an order that is asked for: without one, the plan decides.
  const key = relation.primaryKey.filter((column) => columns.includes(column))
  const order = (key.length > 0 ? key : columns).join()
  const target = `/${name}?select=${columns.join() || '*'}${order === '' ? '' : `&order=${order}`}`
  const ask = (query: string, headers: Record<string, string>): Question[] =>
    (['GET', 'HEAD'] as const).map((method) => ({ method, path: target + query, schema, headers }))
  const foreign = foreignValues(world, relation)
  const filter = (column: string, value: string, operator: string, count: string): Question => ({
    method: 'GET',
    path: `${target}&${column}=${operator}.${encodeURIComponent(value)}&limit=1`,
    schema,
    headers: prefer(count),
  })
  const known = columns.flatMap((column) =>
    (foreign.get(column) ?? []).map((value) => [column, value] as const),
  )
  const filters = [
    ...known.map(([column, value]) => filter(column, value, 'eq', 'exact')),
    // Refused before any column is read.
    ...known.slice(0, 1).map(([column, value]) => filter(column, value, 'gte', 'planned')),
  ]
  return [
    ...[{}, plan, ...counts.map(prefer)].flatMap((headers) => ask('', headers)),
    ...ask('&limit=1', { ...prefer('exact'), range: '0-0' }),
    ...filters,
  ]
}

/** What a column holds in a row of the other organization: what a filter would look for. */
function foreignValues(world: World, { id, columns }: Relation): Map<string, string[]> {
  const values = new Map<string, string[]>()
  const own = (world.rows.get(id) ?? []).filter(
    (row) => row.organization_id === world.b.organizationId,
  )
  for (const { name, type } of columns) {
    const value = own.map((row) => row[name]).find((one) => one !== null && one !== undefined)
    const fallback = /^(bigint|integer|numeric)/.test(type) ? '7' : /text/.test(type) ? 'c' : ''
    const text = value === undefined ? fallback : typeof value === 'object' ? '' : String(value)
    values.set(name, text === '' ? [] : [text])
  }
  return values
}

/** Every function, asked for an estimate, which it is refused; read-only where it takes nothing. */
export function routineQuestions(world: World, routine: Routine, actor: Actor): Question[] {
  const { name, schema } = routine
  const expectation = routineExpectations[routine.id]
  if (expectation?.crossesTenants === true) return []
  const example = expectation?.example?.(world, actor) ?? {}
  const [set] = argumentSets(routine, example, argumentPools(world), { combinations: 0, each: 0 })
  const body = JSON.stringify(set?.args ?? {})
  const path = `/rpc/${name}`
  const estimates = [plan, prefer('planned'), prefer('estimated')].map((headers): Question => ({
    method: 'POST',
    path,
    schema,
    headers,
    body,
  }))
  if (routine.arguments.some(({ optional }) => !optional)) return estimates
  const reads = [{}, plan, ...counts.map(prefer)].flatMap((headers) =>
    (['GET', 'HEAD'] as const).map((method): Question => ({ method, path, schema, headers })),
  )
  return [...estimates, ...reads]
}
