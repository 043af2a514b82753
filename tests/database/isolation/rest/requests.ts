import type { Actor } from '../actors.ts'
import type { Relation, Routine } from '../catalog.ts'
import { argumentPools, argumentSets } from '../cases/arguments.ts'
import { freshRows } from '../cases/fresh.ts'
import {
  columnsFor,
  keyOf,
  matches,
  only,
  refused,
  sees,
  type Subject,
  targets,
  unlessGuarded,
  writes,
} from '../cases/subject.ts'
import type { Expected, Target, Verb } from '../cases/types.ts'
import { routineExpectations } from '../expectations/routines.ts'
import type { Row, Value } from '../rules.ts'
import type { World } from '../world.ts'
import type { PlainClient } from './clients.ts'

/** What supabase-js gives back, as far as it matters here. */
export interface Answer {
  data: unknown
  error: { code?: string; message?: string; details?: unknown; hint?: unknown } | null
  status: number
  count?: number | null
}

/** One call with supabase-js. */
export interface Request {
  object: string
  verb: Verb
  target: Target
  note: string
  sent: string
  expected: Expected
  send: (client: PlainClient) => PromiseLike<Answer>
}

/** Rows of nobody's organization come and go with other tests on the same stack. */
export const isTenants = (row: Row): boolean => row.organization_id !== null

type Make = Omit<Request, 'object'>

const open: Expected = { kind: 'open' }

/** Reads: everything, a count, and one row of each tenant. */
export function readRequests(subject: Subject): Request[] {
  const { relation } = subject
  const columns = columnsFor(subject, 'select')
  const shown = subject.rows.filter((row) => isTenants(row) && sees(subject, row))
  const expected = (filter: Row): Expected =>
    columns.length === 0
      ? refused
      : { kind: 'rows', key: keyOf(subject), rows: shown.filter((row) => matches(row, filter)) }
  const read = (target: Target, note: string, filter: Row): Make => ({
    verb: 'select',
    target,
    note,
    sent: JSON.stringify(filter),
    expected: expected(filter),
    send: (client) => from(client, relation).select('*').match(filter),
  })
  return named(relation, [
    read('all', 'everything', {}),
    {
      verb: 'select',
      target: 'all',
      note: 'a count',
      sent: '',
      expected: columns.length === 0 ? refused : open,
      send: (client) =>
        from(client, relation).select(columns[0] ?? '*', { count: 'exact', head: true }),
    },
    ...targets(subject).map(([target, filter]) => read(target, 'by its key', filter)),
  ])
}

/** Insert, upsert and update, filtered and not, with and without a representation. */
export function writeRequests(subject: Subject): Request[] {
  const { relation, actor } = subject
  const table = (client: PlainClient) => from(client, relation)
  const [planted = {}] = freshRows(subject.world, relation, actor)
  const granted = columnsFor(subject, 'insert')
  const shown = columnsFor(subject, 'select').join(',')
  const row = granted.length === 0 ? planted : only(planted, granted)
  const sent = JSON.stringify(row)
  const mayInsert = granted.length > 0 ? unlessGuarded(subject, open) : refused
  const updatable = columnsFor(subject, 'update')
  const values = { [updatable[0] ?? relation.columns[0]?.name ?? '']: null }
  const mayUpdate = updatable.length > 0 ? unlessGuarded(subject, open) : refused
  const changed = { verb: 'update', sent: '', expected: mayUpdate } as const
  const representation = (target: Target, note: string, filter: Row): Make => ({
    ...changed,
    target,
    note: `${note}, representation`,
    send: (client) =>
      table(client)
        .update(values)
        .match(filter)
        .select(shown || '*'),
  })
  const unfiltered: Make = {
    ...changed,
    target: 'all',
    note: 'unfiltered, minimal',
    send: (client) => table(client).update(values),
  }
  return named(relation, [
    {
      verb: 'insert',
      target: 'own',
      note: 'minimal',
      sent,
      expected: mayInsert,
      send: (client) => table(client).insert(row),
    },
    {
      verb: 'insert',
      target: 'own',
      note: 'representation',
      sent,
      expected: mayInsert,
      send: (client) =>
        table(client)
          .insert(row)
          .select(shown || '*'),
    },
    ...targets(subject).flatMap(([target, key]): Make[] => [
      representation(target, 'by its key', key),
      {
        verb: 'upsert',
        target,
        note: 'on its key',
        sent: JSON.stringify({ ...row, ...key }),
        expected: open,
        send: (client) =>
          table(client).upsert({ ...row, ...key }, { onConflict: relation.primaryKey.join(',') }),
      },
    ]),
    // The service role passes all policies and would change the rows of other tests.
    ...(actor.role === 'service_role' ? [] : [representation('all', 'unfiltered', {}), unfiltered]),
  ])
}

export function deleteRequests(subject: Subject): Request[] {
  const { relation, expectation, actor } = subject
  const granted = expectation.grants[actor.role]?.delete === true
  const remove = (target: Target, note: string, filter: Row): Make => {
    const goes = subject.rows.some((row) => matches(row, filter) && writes(subject, 'delete', row))
    const none: Expected = unlessGuarded(subject, goes ? open : { kind: 'affected', count: 0 })
    return {
      verb: 'delete',
      target,
      note,
      sent: JSON.stringify(filter),
      expected: granted ? none : refused,
      send: (client) =>
        from(client, relation)
          .delete()
          .match(filter)
          .select(granted ? relation.primaryKey.join(',') || '*' : '*'),
    }
  }
  const filters = targets(subject).filter(
    ([target]) => target !== 'own' || actor.role !== 'service_role',
  )
  return named(
    relation,
    filters.map(([target, filter]) => remove(target, 'by its key', filter)),
  )
}

/** Functions by those who may not call them, and, by those who may, on what is B's. */
export function routineRequests(world: World, routine: Routine, actor: Actor): Request[] {
  const expectation = routineExpectations[routine.id]
  const isExecutor = expectation?.executors.includes(actor.role) === true
  const isAllowed =
    isExecutor && (actor.role === 'service_role' || (expectation.allowed?.(actor) ?? true))
  if (isAllowed && (actor.role === 'service_role' || expectation.crossesTenants === true)) return []
  if (isAllowed && (routine.arguments.length === 0 || actor.tenant === 'b')) return []
  const example = isExecutor ? (expectation.example?.(world, actor) ?? {}) : {}
  const [base] = argumentSets(routine, example, argumentPools(world), { combinations: 0, each: 0 })
  const args = { ...base?.args, ...(isAllowed ? foreignArguments(world, routine) : {}) }
  const none: Expected = expectation?.empty === true ? { kind: 'nothing' } : { kind: 'denied' }
  return [
    {
      object: routine.id,
      verb: 'rpc',
      target: isAllowed ? 'other' : 'own',
      note: JSON.stringify(args).slice(0, 100),
      sent: JSON.stringify(args),
      expected: isAllowed ? open : isExecutor ? none : { kind: 'denied' },
      send: (client) => client.rpc(routine.name, args),
    },
  ]
}

/** Each argument that can be the other organization's, set to it. */
function foreignArguments(world: World, routine: Routine): Record<string, Value> {
  const foreign = (value: Value) =>
    /77\d{11}|bbbbbbbb-|canary-b|invitation of b/.test(JSON.stringify(value))
  const pools = argumentPools(world)
  const found: Record<string, Value> = {}
  for (const { name } of routine.arguments) {
    const value = pools[name]?.find(foreign)
    if (value !== undefined) found[name] = value
  }
  return found
}

function from(client: PlainClient, { id }: Relation) {
  const [schema = '', table = ''] = id.split('.')
  return client.schema(schema).from(table)
}

const named = (relation: Relation, requests: readonly Make[]): Request[] =>
  requests.map((request) => ({ ...request, object: relation.id }))
