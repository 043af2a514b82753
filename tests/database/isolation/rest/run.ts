import type { Sql } from 'postgres'

import type { Actor } from '../actors.ts'
import type { Outcome } from '../attempt.ts'
import type { Subject } from '../cases/subject.ts'
import { asJson } from '../cases/statements.ts'
import type { Case, Finding } from '../cases/types.ts'
import { findLeaks, indexMarkers } from '../checks/leaks.ts'
import { compareOutcome } from '../checks/outcome.ts'
import { relationExpectations } from '../expectations/index.ts'
import { routineExpectations } from '../expectations/routines.ts'
import { markerPattern } from '../plant/names.ts'
import type { Row } from '../rules.ts'
import { readRows, type World } from '../world.ts'
import { clientFor, type PlainClient } from './clients.ts'
import {
  type Answer,
  deleteRequests,
  isTenants,
  readRequests,
  type Request,
  routineRequests,
  writeRequests,
} from './requests.ts'

/** One of each kind: the finer differences between people are the SQL matrix's to prove. */
const kinds = [
  'anon',
  'member',
  'administrator',
  'owner',
  'former member',
  'guest',
  'API key of an administrator',
  'owner of the other',
  'guest of the other',
  'platform administrator',
  'service role',
]
const atOnce = 6

type Phase = (actor: Actor) => Request[]

const markersIn = (text: string): string =>
  [...text.matchAll(markerPattern)].map(([marker]) => marker).join(' ')

/** All reads first, which compare exactly; then writes, functions and deletions, by everyone. */
export async function runRest(
  sql: Sql,
  world: World,
): Promise<{ cases: number; findings: Finding[] }> {
  const actors = world.actors.filter(({ name }) => kinds.includes(name))
  const markers = indexMarkers(world)
  const report = { cases: 0, findings: [] as Finding[] }
  const before = fingerprint(world, await readRows(sql, world.catalog))
  const clients = new Map<Actor, PlainClient>()
  const subjects = new Map<Actor, Subject[]>()
  for (const actor of actors) {
    clients.set(actor, clientFor(actor))
    subjects.set(actor, await subjectsFor(sql, world, actor))
  }
  const routines = world.catalog.routines.filter(({ schema }) => schema === 'public')
  // What a tenant's people have sent in any request is no news to them afterwards.
  const told = new Map<string, string>()
  const run = async (who: readonly Actor[], width: number, phase: Phase): Promise<void> => {
    const all = inTurns(who.map((actor) => phase(actor).map((one) => [actor, one] as const)))
    await inParallel(all, width, async ([actor, request]) => {
      const client = clients.get(actor)
      if (client === undefined) throw new Error(`${actor.name} has no client`)
      const sent = `${told.get(actor.tenant) ?? ''} ${markersIn(request.sent)}`
      told.set(actor.tenant, sent)
      const answer = await request.send(client)
      report.cases++
      const known = `${request.sent} ${told.get(actor.tenant) ?? ''}`
      report.findings.push(...check(world, markers, actor, { ...request, sent: known }, answer))
    })
  }
  const ofTables = (make: (subject: Subject) => Request[]) => (actor: Actor) =>
    subjects.get(actor)?.filter(isTable).flatMap(make) ?? []
  const write = async (who: readonly Actor[]): Promise<void> => {
    await run(who, atOnce, ofTables(writeRequests))
    await run(who, atOnce, (actor) =>
      routines.flatMap((routine) => routineRequests(world, routine, actor)),
    )
    // One after the other: deleting parents and children at once may end in a deadlock.
    await run(who, 1, ofTables(deleteRequests))
  }
  await run(actors, atOnce, (actor) => subjects.get(actor)?.flatMap(readRequests) ?? [])
  const mayTouchB = ({ tenant, role }: Actor) => tenant === 'b' || role === 'service_role'
  await write(actors.filter((actor) => !mayTouchB(actor)))
  const after = fingerprint(world, await readRows(sql, world.catalog))
  for (const [table, text] of before) {
    if (after.get(table) === text) continue
    report.findings.push({
      rule: 'nobody changes a row of another organization',
      object: table,
      actor: 'everyone',
      message: 'B’s rows are not what they were',
    })
  }
  await write(actors.filter(mayTouchB))
  return report
}

const isTable = ({ relation }: Subject): boolean => relation.kind === 'table'

async function subjectsFor(sql: Sql, world: World, actor: Actor): Promise<Subject[]> {
  const found: Subject[] = []
  for (const relation of world.catalog.relations.filter(({ exposed }) => exposed)) {
    const expectation = relationExpectations[relation.id]
    if (expectation === undefined) continue
    const rows =
      relation.kind === 'table'
        ? world.rows.get(relation.id)
        : await viewRows(sql, relation.id, actor)
    found.push({ world, relation, expectation, actor, rows: rows ?? [] })
  }
  return found
}

/** What a view gives its owner with the actor's claims. */
async function viewRows(sql: Sql, id: string, actor: Actor): Promise<Row[]> {
  return sql.begin(async (tx) => {
    await tx`select set_config('request.jwt.claims', ${JSON.stringify(actor.claims)}, true)`
    const [row] = await tx.unsafe<{ coalesce: Row[] }[]>(asJson(`select * from ${id}`))
    return row?.coalesce ?? []
  })
}

/** One of each list after the other, because REST answers two requests of a person at once. */
function inTurns<Item>(lists: readonly (readonly Item[])[]): Item[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length))
  return Array.from({ length: longest }, (_, n) =>
    lists.flatMap((list) => list.slice(n, n + 1)),
  ).flat()
}

async function inParallel<Item>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item)
  }
  await Promise.all(Array.from({ length: width }, worker))
}

function check(
  world: World,
  markers: ReturnType<typeof indexMarkers>,
  actor: Actor,
  request: Request,
  { data, error, status }: Answer,
): Finding[] {
  const rows = (Array.isArray(data) ? data : data == null ? [] : [{ value: data }]) as Row[]
  const kept = request.expected.kind === 'rows' ? rows.filter(isTenants) : rows
  const outcome: Outcome = {
    // A HEAD request has no body to say why.
    code:
      error === null
        ? null
        : (error.code ?? (status === 401 || status === 403 ? '42501' : `${status}`)),
    message: error?.message ?? null,
    detail: JSON.stringify(error?.details ?? null),
    hint: JSON.stringify(error?.hint ?? null),
    rows: kept,
    affected: kept.length,
    written: null,
    left: null,
  }
  const one: Case = { ...request, actor, sql: '', reads: true }
  const routine = routineExpectations[request.object]
  const fault: Finding[] =
    status >= 500
      ? [
          {
            rule: 'every refusal is an answer, not a fault',
            object: one.object,
            actor: actor.name,
            message: `${request.verb} ${request.note}: ${status} ${JSON.stringify(error)}`,
          },
        ]
      : []
  return [
    ...fault,
    ...compareOutcome(one, outcome),
    ...findLeaks(world, markers, relationExpectations, one, outcome, {
      reveals: [
        ...(routine?.reveals ?? []),
        ...(relationExpectations[request.object]?.reveals ?? []),
      ],
      crossesTenants: routine?.crossesTenants === true,
    }),
  ]
}

/** B's rows, by table, as one text each; without what B's own people do here. */
function fingerprint(world: World, rows: ReadonlyMap<string, readonly Row[]>): Map<string, string> {
  const people = world.b.people.map(({ id }) => id)
  return new Map(
    [...rows].map(([table, all]) => [
      table,
      all
        .filter(
          (row) =>
            row.organization_id === world.b.organizationId || people.includes(row.id as string),
        )
        .map((row) => JSON.stringify(row))
        .sort()
        .join('\n'),
    ]),
  )
}
