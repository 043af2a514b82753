import type { Actor } from '../actors.ts'
import type { Relation } from '../catalog.ts'
import type { RelationExpectation } from '../expectations/types.ts'
import { grantedColumns, isGuarded, maySee, mayWrite } from '../facts.ts'
import type { Row } from '../rules.ts'
import type { World } from '../world.ts'
import type { Case, Expected, Target } from './types.ts'
import { absentDate, absentId, absentUuid } from './values.ts'

/** One actor before one table or view. */
export interface Subject {
  world: World
  relation: Relation
  expectation: RelationExpectation
  actor: Actor
  /** For a view: what its query gives an owner who has the actor's claims. */
  rows: readonly Row[]
}

export type Draft = Omit<Case, 'object' | 'actor'>
export type Privilege = 'select' | 'insert' | 'update'

export const refused: Expected = { kind: 'refused' }

/**
 * Where no guard speaks first, a trigger on the row may, before the policy does. To a guest it answers for
 * an agent that is closed as for one that is absent.
 */
export const refusedRow = ({ expectation, actor }: Subject): Expected =>
  expectation.guarded === false ||
  (actor.guestOf !== null && expectation.guard?.includes('guest') === true)
    ? { kind: 'refused', orDangling: true }
    : refused

export const columnsFor = (
  { relation, expectation, actor }: Subject,
  privilege: Privilege,
): string[] => grantedColumns(relation, expectation, actor.role, privilege)

export const sees = ({ world, relation, expectation, actor }: Subject, row: Row): boolean =>
  maySee(world, relation.id, expectation, actor, row)

export const writes = (
  { world, relation, expectation, actor }: Subject,
  verb: 'insert' | 'update' | 'delete',
  row: Row,
): boolean => mayWrite(world, relation.id, expectation[verb], actor, row)

/** What comes of a write that the grants allow. */
export const unlessGuarded = ({ expectation, actor }: Subject, expected: Expected): Expected =>
  isGuarded(expectation, actor) ? refused : expected

/** Rows are generated in full for these; for everyone else one valid row of each kind does. */
const thorough = ['owner', 'member', 'service role', 'member of both', 'guest']
export const isThorough = ({ actor, expectation }: Subject): boolean =>
  thorough.includes(actor.name) && expectation.guarded !== false

export const keyOf = ({ relation, expectation }: Subject): readonly string[] =>
  expectation.key ?? relation.primaryKey

const isForeign = (row: Row): boolean => /\b77\d{11}\b|bbbbbbbb-/.test(JSON.stringify(row))

/** A row of A, a row of B, and one that nobody has; as filters on the key. */
export function targets(subject: Subject): [Target, Row][] {
  const key = keyOf(subject)
  const pick = (row: Row): Row => Object.fromEntries(key.map((name) => [name, row[name] ?? null]))
  const ours = subject.rows.filter((row) => !isForeign(pick(row)))
  const own = ours.find((row) => sees(subject, row)) ?? ours[0]
  const all = subject.world.rows.get(subject.relation.id) ?? subject.rows
  const other = all.find((row) => isForeign(pick(row)))
  const found: [Target, Row][] = []
  if (own !== undefined) {
    const mine = pick(own)
    found.push(
      ['own', mine],
      ['absent', Object.fromEntries(key.map((name) => [name, absent(mine[name])]))],
    )
  }
  if (other !== undefined) found.push(['other', pick(other)])
  return found
}

/** A value of the same kind that no row has. */
function absent(value: Row[string] | undefined): Row[string] {
  if (typeof value === 'number') return absentId
  if (typeof value === 'boolean') return !value
  return /^"\d{4}-\d\d-\d\d/.test(JSON.stringify(value)) ? absentDate : absentUuid
}

export const matches = (row: Row, filter: Row): boolean =>
  Object.entries(filter).every(
    ([name, value]) => JSON.stringify(row[name] ?? null) === JSON.stringify(value),
  )

export const only = (row: Row, names: readonly string[]): Row =>
  Object.fromEntries(Object.entries(row).filter(([name]) => names.includes(name)))

export const brief = (value: Row[string] | undefined): string =>
  (JSON.stringify(value) ?? 'nothing').slice(0, 40)
