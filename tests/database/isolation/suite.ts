import type { Sql, TransactionSql } from 'postgres'

import type { Actor } from './actors.ts'
import { type Outcome, prepareAttempts, runAttempts } from './attempt.ts'
import type { Relation } from './catalog.ts'
import { referenceCases } from './cases/references.ts'
import { routineCases } from './cases/routines.ts'
import { asJson } from './cases/statements.ts'
import { tableCases } from './cases/tables.ts'
import type { Case, Finding } from './cases/types.ts'
import { findLeaks, indexMarkers } from './checks/leaks.ts'
import { compareWorlds } from './checks/oracle.ts'
import { compareOutcome } from './checks/outcome.ts'
import { checkRank } from './checks/rank.ts'
import { checkWrites } from './checks/tenancy.ts'
import { relationExpectations } from './expectations/index.ts'
import { routineExpectations } from './expectations/routines.ts'
import type { Row } from './rules.ts'
import type { World } from './world.ts'

/** Two connections inside transactions that are rolled back: with B, and without. */
export interface Session {
  world: World
  full: TransactionSql
  empty: TransactionSql
  untouched: NonNullable<Outcome['left']>
  markers: ReturnType<typeof indexMarkers>
}

export interface Report {
  cases: number
  findings: Finding[]
  /** What clients did with success: `object verb`. */
  done: Set<string>
}

class RollBack extends Error {}

/** Opens both transactions, and undoes them when `work` is done. */
export async function withSession<Result>(
  world: World,
  { full, empty }: { full: Sql; empty: Sql },
  work: (session: Session) => Promise<Result>,
): Promise<Result> {
  let result: { value: Result } | undefined
  const markers = indexMarkers(world)
  try {
    await full.begin(async (fullTx) => {
      await empty.begin(async (emptyTx) => {
        for (const tx of [fullTx, emptyTx]) {
          await prepareAttempts(tx, world.catalog, world.b.organizationId)
        }
        const [nothing] = await runAttempts(fullTx, [
          { actor: 'owner', sql: 'select 1', reads: false },
        ])
        const untouched = nothing?.left
        if (untouched == null) throw new Error('the first attempt failed')
        const session = { world, full: fullTx, empty: emptyTx, untouched, markers }
        result = { value: await work(session) }
        throw new RollBack()
      })
    })
  } catch (error) {
    if (!(error instanceof RollBack)) throw error
  }
  if (result === undefined) throw new Error('the session ended before its work')
  return result.value
}

/** Runs every case of the objects that `wanted` picks, in both databases, and checks each. */
export async function runMatrix(
  session: Session,
  wanted: (object: string) => boolean = () => true,
): Promise<Report> {
  const { world } = session
  const relations = world.catalog.relations.filter(
    ({ id }) => wanted(id) && id in relationExpectations,
  )
  const report: Report = { cases: 0, findings: [], done: new Set() }
  for (const actor of world.actors) {
    const cases = await casesFor(session, actor, relations)
    await runCases(session, [...cases, ...routineCases(world, actor, wanted)], report)
  }
  await runCases(
    session,
    relations.flatMap((relation) => referenceCases(world, relation)),
    report,
  )
  return report
}

/** One actor's statements on tables and views, in the database that holds both tenants only. */
export async function runCasesOf(
  session: Session,
  actor: Actor,
  wanted: (object: string) => boolean,
): Promise<Report> {
  const report: Report = { cases: 0, findings: [], done: new Set() }
  const relations = session.world.catalog.relations.filter(({ id }) => wanted(id))
  const cases = await casesFor(session, actor, relations)
  const outcomes = await runAttempts(session.full, cases)
  cases.forEach((one, index) => {
    const outcome = outcomes[index]
    if (outcome === undefined) throw new Error('an attempt is missing')
    report.findings.push(...compareOutcome(one, outcome))
  })
  report.cases = cases.length
  return report
}

async function casesFor(
  session: Session,
  actor: Actor,
  relations: readonly Relation[],
): Promise<Case[]> {
  const { world } = session
  const views = await viewRows(session, actor, relations)
  return relations.flatMap((relation) => {
    const expectation = relationExpectations[relation.id]
    const rows = views.get(relation.id) ?? world.rows.get(relation.id) ?? []
    return expectation === undefined
      ? []
      : tableCases({ world, relation, expectation, actor, rows })
  })
}

/** Verbs that clients hold a grant for and that nobody used with success: nothing was proven of them. */
export function missingControls({ world }: Session, { done }: Report): Finding[] {
  const rule = 'whatever clients may do is done once with success' as const
  return world.catalog.relations.flatMap(({ id }) => {
    const grant = relationExpectations[id]?.grants.authenticated ?? {}
    return Object.keys(grant)
      .filter((verb) => !done.has(`${id} ${verb}`))
      .map((verb) => ({ rule, object: id, actor: 'everyone', message: `${verb} never succeeded` }))
  })
}

/** What a view's query gives to an owner with the actor's claims, for the rules to choose from. */
async function viewRows(session: Session, actor: Actor, relations: readonly Relation[]) {
  const views = relations.filter(({ kind }) => kind === 'view')
  const outcomes = await runAttempts(
    session.full,
    views.map(({ id }) => ({
      actor: 'owner',
      claims: actor.claims,
      sql: asJson(`select * from ${id}`),
      reads: true,
    })),
  )
  return new Map<string, readonly Row[]>(
    views.map(({ id }, index) => [id, outcomes[index]?.rows ?? []]),
  )
}

async function runCases(session: Session, cases: readonly Case[], report: Report): Promise<void> {
  const compared = cases.filter((one) => isCompared(session.world, one))
  const alone = cases.filter((one) => !isCompared(session.world, one))
  // Apart, so that the sequences of both worlds see the same statements.
  const [full, empty] = await Promise.all([
    runAttempts(session.full, compared),
    runAttempts(session.empty, compared, { looks: false }),
  ])
  compared.forEach((one, index) => {
    const [outcome, without] = [full[index], empty[index]]
    if (outcome === undefined || without === undefined) throw new Error('an attempt is missing')
    report.findings.push(
      ...checkCase(session, one, outcome),
      ...compareWorlds(one, outcome, without),
    )
    if (outcome.code === null && one.verb !== 'rpc' && (outcome.rows?.length ?? 0) > 0) {
      report.done.add(`${one.object} ${one.verb}`)
    }
  })
  const rest = await runAttempts(session.full, alone)
  alone.forEach((one, index) => {
    const outcome = rest[index]
    if (outcome === undefined) throw new Error('an attempt is missing')
    report.findings.push(...checkCase(session, one, outcome))
  })
  report.cases += compared.length * 2 + alone.length
}

/** Whether the actor must not be able to tell if B exists. */
function isCompared(world: World, { actor, object, args }: Case): boolean {
  if (actor === 'owner' || actor.role === 'service_role' || actor.tenant === 'b') return false
  const routine = routineExpectations[object]
  if (routine?.crossesTenants === true) return false
  const handle = routine?.oracle === undefined ? undefined : args?.[routine.oracle]
  const taken = world.rows.get('public.organizations') ?? []
  return handle === undefined || !taken.some((row) => row.slug === handle)
}

function checkCase({ world, markers, untouched }: Session, one: Case, outcome: Outcome): Finding[] {
  const routine = routineExpectations[one.object]
  return [
    ...compareOutcome(one, outcome),
    ...findLeaks(world, markers, relationExpectations, one, outcome, {
      reveals: [...(routine?.reveals ?? []), ...(relationExpectations[one.object]?.reveals ?? [])],
      crossesTenants: routine?.crossesTenants === true,
    }),
    ...checkWrites(world, one, outcome, {
      expectations: relationExpectations,
      untouched,
      entersTenant: routine?.entersTenant === true,
      crossesTenants: routine?.crossesTenants === true || routine?.destroys === true,
      aboutOthers: routine?.aboutOthers === true,
    }),
    ...checkRank(world, one, outcome),
  ]
}
