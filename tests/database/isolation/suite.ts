import type { Actor } from './actors.ts'
import { type Outcome, runAttempts } from './attempt.ts'
import type { Relation } from './catalog.ts'
import { bareCases } from './cases/bare.ts'
import { referenceCases } from './cases/references.ts'
import { routineCases } from './cases/routines.ts'
import { asJson } from './cases/statements.ts'
import { tableCases } from './cases/tables.ts'
import type { Case, Finding } from './cases/types.ts'
import { findLeaks } from './checks/leaks.ts'
import { compareWorlds } from './checks/oracle.ts'
import { compareOutcome } from './checks/outcome.ts'
import { checkRank } from './checks/rank.ts'
import { checkWrites } from './checks/tenancy.ts'
import { relationExpectations } from './expectations/index.ts'
import { routineExpectations } from './expectations/routines.ts'
import type { RelationExpectation } from './expectations/types.ts'
import type { Row } from './rules.ts'
import type { Session } from './session.ts'
import type { World } from './world.ts'

export interface Report {
  cases: number
  findings: Finding[]
  /** What clients did with success: `object verb`. */
  done: Set<string>
}

export interface MatrixOptions {
  /** Objects to try; all when absent. */
  wanted?: (object: string) => boolean
  /** Who tries them; all when absent. */
  by?: (actor: Actor) => boolean
  /**
   * Without the triggers that refuse whole statements, so that each policy must hold by itself; a
   * valid row of each kind only.
   */
  guards?: boolean
  /**
   * Without guards, and with every column granted to clients: what the policies alone make of rows
   * that name another organization or another person.
   */
  bare?: boolean
  /** Also in the database without B, and compare. */
  compare?: boolean
  /** Ends after the actor with whom something was found. */
  stopEarly?: boolean
}

/** Runs every case of the wanted objects, and checks each. */
export async function runMatrix(session: Session, options: MatrixOptions = {}): Promise<Report> {
  const { world } = session
  const {
    wanted = () => true,
    by = () => true,
    guards = true,
    bare = false,
    stopEarly = false,
  } = options
  const relations = world.catalog.relations.filter(
    ({ id }) =>
      wanted(id) &&
      id in relationExpectations &&
      (guards || relationExpectations[id]?.guard !== undefined),
  )
  const report: Report = { cases: 0, findings: [], done: new Set() }
  if (!guards || bare) await dropGuards(session, relations)
  if (bare) await grantColumns(session, relations)
  for (const actor of world.actors.filter(by)) {
    const cases = bare
      ? relations.flatMap((relation) => bareCases(world, relation, actor))
      : await casesFor(session, actor, relations, guards)
    if (guards && !bare) cases.push(...routineCases(world, actor, wanted))
    await runCases(session, cases, report, options)
    if (stopEarly && report.findings.length > 0) return report
  }
  if (guards && !bare) {
    const references = relations.flatMap((relation) => referenceCases(world, relation))
    await runCases(session, references, report, options)
  }
  return report
}

async function dropGuards({ full, empty }: Session, relations: readonly Relation[]): Promise<void> {
  for (const { id } of relations) {
    for (const trigger of ['require_permission', 'keep_columns']) {
      const name = `${id.split('.')[1]}_${trigger}`
      for (const tx of [full, empty]) await tx.unsafe(`drop trigger if exists ${name} on ${id}`)
    }
  }
}

async function grantColumns(
  { full, empty }: Session,
  relations: readonly Relation[],
): Promise<void> {
  for (const { id, kind, policies } of relations) {
    if (kind !== 'table' || policies.length === 0) continue
    for (const tx of [full, empty]) {
      await tx.unsafe(`grant select, insert, update, delete on ${id} to authenticated`)
    }
  }
}

/** One actor's statements and calls, in the database that holds both tenants only. */
export async function runCasesOf(
  session: Session,
  actor: Actor,
  wanted: (object: string) => boolean,
): Promise<Report> {
  const report: Report = { cases: 0, findings: [], done: new Set() }
  const relations = session.world.catalog.relations.filter(({ id }) => wanted(id))
  const cases = [
    ...(await casesFor(session, actor, relations, true)),
    ...routineCases(session.world, actor, wanted).map(withoutControl),
  ]
  const outcomes = await runAttempts(session.full, cases)
  cases.forEach((one, index) => {
    const outcome = outcomes[index]
    if (outcome === undefined) throw new Error('an attempt is missing')
    report.findings.push(...compareOutcome(one, outcome))
  })
  report.cases = cases.length
  return report
}

/** What worked for the actor as planted need not work for what has become of them. */
const withoutControl = (one: Case): Case =>
  one.expected.kind === 'succeeds' ? { ...one, expected: { kind: 'open' } } : one

async function casesFor(
  session: Session,
  actor: Actor,
  relations: readonly Relation[],
  guards: boolean,
): Promise<Case[]> {
  const { world } = session
  const views = await viewRows(session, actor, relations)
  return relations.flatMap((relation) => {
    const said = relationExpectations[relation.id]
    const expectation = guards || said === undefined ? said : withoutGuard(said)
    const rows = views.get(relation.id) ?? world.rows.get(relation.id) ?? []
    return expectation === undefined
      ? []
      : tableCases({ world, relation, expectation, actor, rows })
  })
}

function withoutGuard({ guard: _, ...expectation }: RelationExpectation): RelationExpectation {
  return { ...expectation, guarded: false }
}

/** Verbs that clients hold a grant for and that nobody used with success: nothing was proven of them. */
export function missingControls({ world }: Session, { done }: Report): Finding[] {
  const rule = 'whatever clients may do is done once with success' as const
  return world.catalog.relations.flatMap(({ id }) => {
    const grant = relationExpectations[id]?.grants.authenticated ?? {}
    const upserts = grant.insert !== undefined && grant.update !== undefined ? ['upsert'] : []
    return [...Object.keys(grant), ...upserts]
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

async function runCases(
  session: Session,
  cases: readonly Case[],
  report: Report,
  { compare = true, bare = false }: MatrixOptions,
): Promise<void> {
  const compares = compare && !bare
  const compared = cases.filter((one) => compares && isCompared(session.world, one))
  const alone = cases.filter((one) => !compares || !isCompared(session.world, one))
  // Apart, so that the sequences of both worlds see the same statements.
  const [full, empty] = await Promise.all([
    runAttempts(session.full, compared),
    runAttempts(session.empty, compared, { looks: false }),
  ])
  const rest = await runAttempts(session.full, alone)
  eachOutcome(compared, empty, (one, without, index) => {
    const outcome = full[index]
    if (outcome !== undefined) report.findings.push(...compareWorlds(one, outcome, without))
  })
  eachOutcome([...compared, ...alone], [...full, ...rest], (one, outcome) => {
    report.findings.push(...checkCase(session, one, outcome))
    const isClient = one.actor !== 'owner' && one.actor.role === 'authenticated'
    if (isClient && outcome.code === null && one.verb !== 'rpc' && outcome.rows?.length !== 0) {
      report.done.add(`${one.object} ${one.verb}`)
    }
  })
  report.cases += compared.length * 2 + alone.length
}

function eachOutcome(
  cases: readonly Case[],
  outcomes: readonly Outcome[],
  visit: (one: Case, outcome: Outcome, index: number) => void,
): void {
  cases.forEach((one, index) => {
    const outcome = outcomes[index]
    if (outcome === undefined) throw new Error('an attempt is missing')
    visit(one, outcome, index)
  })
}

/** One of each kind that must not be able to tell whether B exists. */
const comparedActors = [
  'anon',
  'owner',
  'administrator',
  'member',
  'guest',
  'former member',
  'invited person',
  'platform administrator',
  'platform administrator on content',
  'owner who claims the other',
]

/** Whether the answer must be the same where B does not exist. */
function isCompared(world: World, { actor, object, args }: Case): boolean {
  if (actor === 'owner' || !comparedActors.includes(actor.name)) return false
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
