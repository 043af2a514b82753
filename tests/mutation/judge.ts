import type { ISql } from 'postgres'

import { readCatalog } from '../database/isolation/catalog.ts'
import type { Finding } from '../database/isolation/cases/types.ts'
import { compareCatalog } from '../database/isolation/checks/static.ts'
import { runClaims } from '../database/isolation/claims.ts'
import { runEffects } from '../database/isolation/effects.ts'
import { relationExpectations as relations } from '../database/isolation/expectations/index.ts'
import { routineExpectations as routines } from '../database/isolation/expectations/routines.ts'
import { runInvariants } from '../database/isolation/invariants/run.ts'
import type { Worlds } from '../database/isolation/scratch.ts'
import { type Session, withSession } from '../database/isolation/session.ts'
import { runMatrix } from '../database/isolation/suite.ts'
import type { DatabaseTests } from './database-tests.ts'
import type { Mutant } from './mutant.ts'

export type AskDatabaseTests = DatabaseTests['ask']

export interface Verdict {
  mutant: Mutant
  /** It could not be applied, and why: there is nothing to notice. */
  impossible?: string
  /** Rules about the catalog that it broke. */
  catalog: string[]
  /** Rules about behaviour that it broke, and tests that failed. */
  behaviour: string[]
}

/** Breaks both databases, asks the tests, and undoes it. */
export async function judge(
  worlds: Worlds,
  mutant: Mutant,
  askDatabaseTests: AskDatabaseTests,
): Promise<Verdict> {
  return withSession(worlds.world, worlds, async (session) => {
    const impossible = await breakBoth(session, mutant)
    if (impossible !== undefined) return { mutant, impossible, catalog: [], behaviour: [] }
    const catalog = compareCatalog(await readCatalog(session.full), { relations, routines })
    const behaviour = await firstNotice(session, mutant, catalog.length > 0, askDatabaseTests)
    return { mutant, catalog: rulesOf(catalog), behaviour }
  })
}

const rulesOf = (findings: readonly Finding[]): string[] => [
  ...new Set(findings.map(({ rule }) => rule)),
]

async function breakBoth({ full, empty }: Session, { sql }: Mutant): Promise<string | undefined> {
  try {
    await full.savepoint((tx) => tx.unsafe(sql))
    await empty.savepoint((tx) => tx.unsafe(sql))
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/**
 * From the likeliest tests to all of them, until one notices. What the catalog has shown already is
 * tried by the likeliest only: the rest would take hours to say it again.
 */
async function firstNotice(
  session: Session,
  mutant: Mutant,
  isKnown: boolean,
  askDatabaseTests: AskDatabaseTests,
): Promise<string[]> {
  const { undo } = mutant
  const wanted = (object: string): boolean => mutant.objects.includes(object)
  const quick = { wanted, compare: false, stopEarly: true }
  const rules = async (run: Promise<{ findings: Finding[] }>) => rulesOf((await run).findings)
  const likeliest = () => rules(runMatrix(session, quick))
  const ofTables = [
    () => rules(inSavepoint(session, (inner) => runMatrix(inner, { ...quick, guards: false }))),
    () => rules(inSavepoint(session, (inner) => runMatrix(inner, { ...quick, bare: true }))),
    () => rules(runMatrix(session, { wanted, stopEarly: true })),
  ]
  const others = [
    ...(undo === undefined ? [] : [() => askDatabaseTests({ ...mutant, undo })]),
    likeliest,
    ...(ofFunction(mutant) ? [] : ofTables),
    () => rules(runInvariants(session)),
    ...(ofAccess(mutant)
      ? [() => rules(runClaims(session)), () => rules(runEffects(session))]
      : []),
  ]
  for (const run of isKnown ? [likeliest] : others) {
    const notices = await run()
    if (notices.length > 0) return notices
  }
  return []
}

const ofFunction = ({ objects }: Mutant): boolean => objects[0]?.endsWith(')') === true

/** A filter by tenant reads no claim and no session. */
const ofAccess = ({ kind }: Mutant): boolean => kind !== 'tenant of a function removed'

class Undo extends Error {}

/** The guards are dropped in there, and come back. */
async function inSavepoint<Result>(
  session: Session,
  work: (inner: Session) => Promise<Result>,
): Promise<Result> {
  let result: { value: Result } | undefined
  try {
    await session.full.savepoint(async (full) => {
      await session.empty.savepoint(async (empty) => {
        result = { value: await work({ ...session, full, empty }) }
        throw new Undo()
      })
    })
  } catch (error) {
    if (!(error instanceof Undo)) throw error
  }
  if (result === undefined) throw new Error('the work ended before its result')
  return result.value
}

/** The statement that makes each function, by id. */
export async function readDefinitions(sql: ISql): Promise<Map<string, string>> {
  const rows = await sql<{ id: string; definition: string }[]>`
    select n.nspname || '.' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')' as id,
      pg_get_functiondef(p.oid) as definition
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = any('{public,client_mgmt,conversation,private}') and p.prokind = 'f'
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')`
  return new Map(rows.map(({ id, definition }) => [id, definition]))
}
