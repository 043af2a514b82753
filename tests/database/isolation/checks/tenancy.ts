import type { Actor } from '../actors.ts'
import type { Outcome } from '../attempt.ts'
import type { Case, Finding } from '../cases/types.ts'
import type { RelationExpectation } from '../expectations/types.ts'
import { mayWrite } from '../facts.ts'
import type { Row } from '../rules.ts'
import type { World } from '../world.ts'
import type { MatrixRule } from '../rules-list.ts'
import { describe } from './leaks.ts'

/** Identity values that the planted sequences have not given: of rows made in the case itself. */
export const firstFreshId = 1_000_000

export interface TenancyOptions {
  expectations: Readonly<Record<string, RelationExpectation>>
  /** Rows left when nothing was done. */
  untouched: NonNullable<Outcome['left']>
  /** The function joins or founds an organization. */
  entersTenant: boolean
  /** The function is for those who run the platform. */
  crossesTenants: boolean
  /** What it writes may name someone else than the caller. */
  aboutOthers: boolean
}

/** What a case that succeeded must have left alone, and where what it wrote must belong. */
export function checkWrites(
  world: World,
  one: Case,
  outcome: Outcome,
  options: TenancyOptions,
): Finding[] {
  if (outcome.written === null || outcome.left === null) return []
  const { expectations } = options
  const findings: Finding[] = []
  const add = (rule: MatrixRule, message: string) => {
    const actor = one.actor === 'owner' ? 'owner of the tables' : one.actor.name
    findings.push({ rule, object: one.object, actor, message: `${describe(one)}: ${message}` })
  }
  const written = Object.entries(outcome.written).flatMap(([table, rows]) =>
    rows.map((row) => [table, row] as const),
  )
  for (const [table, row] of written) {
    for (const text of lostReferences(world, outcome.written, table, row, expectations[table])) {
      add('no reference leads out of its tenant', `${table}: ${text}`)
    }
  }
  if (one.actor === 'owner' || one.actor.role === 'service_role') return findings
  const actor = one.actor
  if (actor.tenant !== 'b' && !options.crossesTenants) {
    const ownAffair = (table: string, row: Row) =>
      actor.alsoInB && [row.id, row.user_id].includes(actor.userId) && /user/.test(table)
    const foreign = written.filter(
      ([table, row]) => isOfB(world, table, row) && !ownAffair(table, row),
    )
    for (const [table, row] of foreign) {
      add(
        'nobody changes a row of another organization',
        `${table} ${JSON.stringify(row).slice(0, 200)}`,
      )
    }
    for (const [table, [, left]] of Object.entries(outcome.left)) {
      if (actor.alsoInB && table.includes('user')) continue
      const before = options.untouched[table]?.[1] ?? 0
      if (left !== before)
        add(
          'nobody changes a row of another organization',
          `${table} has ${left} of ${before} rows`,
        )
    }
  }
  for (const [table, row] of written) {
    const old = world.rows.get(table)?.find((before) => sameKey(world, table, before, row))
    if (table === one.object) {
      const expectation = expectations[table]
      const rule = old === undefined ? expectation?.insert : expectation?.update
      for (const state of old === undefined ? [row] : [old, row]) {
        if (!mayWrite(world, table, rule, actor, state)) {
          add(
            'everyone changes exactly the rows they may',
            `wrote ${JSON.stringify(state).slice(0, 200)}`,
          )
        }
      }
    }
    if (options.crossesTenants) continue
    const tenant = row.organization_id
    const isNew = typeof tenant === 'number' && tenant >= firstFreshId && tenant < 7_000_000_000_000
    const home = actor.tenant === 'none' ? actor.organizationId : world[actor.tenant].organizationId
    const ownSession =
      table === 'public.user_sessions' &&
      row.user_id === actor.userId &&
      (tenant === home || actor.alsoInB)
    if (
      typeof tenant === 'number' &&
      tenant !== (actor.organizationId ?? actor.guestOf) &&
      !ownSession &&
      table !== 'public.users' &&
      !(options.entersTenant && (isNew || tenant === world.a.organizationId))
    ) {
      add(
        'every row that is written belongs to the organization of its writer',
        `${table} of ${tenant}`,
      )
    }
    if (
      !options.aboutOthers &&
      typeof row.user_id === 'string' &&
      row.user_id !== actor.userId &&
      old === undefined &&
      expectations[table]?.aboutOthers !== true &&
      table.includes('.') &&
      !table.startsWith('auth.')
    ) {
      add('nobody makes a row in the name of another', `${table} of ${row.user_id}`)
    }
  }
  return findings
}

function isOfB(world: World, table: string, row: Row): boolean {
  if (row.organization_id === world.b.organizationId) return true
  if (table === 'public.organizations') return row.id === world.b.organizationId
  return world.b.people.some(
    ({ id }) => id === (row.user_id ?? (table.endsWith('users') ? row.id : undefined)),
  )
}

function sameKey(world: World, table: string, one: Row, other: Row): boolean {
  const key = world.catalog.relations.find(({ id }) => id === table)?.primaryKey ?? ['id']
  return key.length > 0 && key.every((name) => one[name] === other[name])
}

/** References of a written row that lead to no row of the same tenant, nor to a shared one. */
function lostReferences(
  world: World,
  written: Readonly<Record<string, readonly Row[]>>,
  table: string,
  row: Row,
  expectation: RelationExpectation | undefined,
): string[] {
  const lost: string[] = []
  for (const [text, parent] of Object.entries(expectation?.references ?? {})) {
    const columns = text.split(' ')
    if (columns.some((name) => row[name] == null) || parent === 'auth.users') continue
    const id = row[columns.at(-1) ?? '']
    const parents = [...(world.rows.get(parent) ?? []), ...(written[parent] ?? [])]
    const last =
      parent === 'client_mgmt.client_users' ? 'user_id' : parentKey(world, table, columns)
    const found = parents.some(
      (candidate) =>
        candidate[last] === id &&
        (parent === 'public.organizations' ||
          parent === 'public.users' ||
          candidate.organization_id == null ||
          candidate.organization_id === row.organization_id),
    )
    if (!found)
      lost.push(`${text} = ${JSON.stringify(id)} is not in ${parent} of the same organization`)
  }
  return lost
}

function parentKey(world: World, table: string, columns: readonly string[]): string {
  const relation = world.catalog.relations.find(({ id }) => id === table)
  const key = relation?.foreignKeys.find((one) => one.columns.join() === columns.join())
  return key?.parentColumns.at(-1) ?? 'id'
}

export type { Actor }
