import type { Relation } from '../catalog.ts'
import { relationExpectations } from '../expectations/index.ts'
import { foreignIdPattern } from '../plant/names.ts'
import type { Row } from '../rules.ts'
import type { World } from '../world.ts'
import { update } from './statements.ts'
import type { Case } from './types.ts'
import { absentId, absentUuid } from './values.ts'

const global = ['public.organizations', 'public.users', 'public.preference_types']

/**
 * The owner of the tables, whom no policy binds, points a row of A at a row of B and at none: the
 * keys alone must refuse it, so that no function and no secret key can do it either.
 */
export function referenceCases(world: World, relation: Relation): Case[] {
  const expectation = relationExpectations[relation.id]
  const references = Object.entries(expectation?.references ?? {})
  const rows = world.rows.get(relation.id) ?? []
  const mine = rows.find((row) => row.organization_id === world.a.organizationId)
  if (mine === undefined || relation.primaryKey.length === 0) return []
  const filter = Object.fromEntries(relation.primaryKey.map((name) => [name, mine[name] ?? null]))
  return references.flatMap(([text, parent]) => {
    // Accounts and the platform's lists belong to no tenant.
    const isGlobal = global.includes(parent) || expectation?.clientsOnly === true
    const columns = text.split(' ')
    const column = columns.at(-1) ?? ''
    const parents = world.rows.get(parent) ?? []
    const lastOf = (row: Row) => row[column] ?? row.user_id ?? row.id ?? null
    const isForeign = (value: Row[string]) => foreignIdPattern.test(JSON.stringify(value))
    const theirs = rows.map((row) => row[column] ?? null).filter(isForeign)
    const [other] = [...theirs, ...parents.map(lastOf).filter(isForeign)]
    const isUuid = relation.columns.some(({ name, type }) => name === column && type === 'uuid')
    const absent = isUuid ? absentUuid : absentId
    // Another organization as such is a valid one for the owner: its other keys refuse it.
    const values: Row[string][] = isGlobal || other == null ? [absent] : [other, absent]
    if (relation.columns.some(({ name, type }) => name === column && type === 'date')) return []
    return values.map((value) => ({
      object: relation.id,
      actor: 'owner' as const,
      verb: 'update' as const,
      target: value === absent ? ('absent' as const) : ('other' as const),
      note: `${text} to ${JSON.stringify(value)}`,
      reads: true,
      sent: JSON.stringify(value),
      sql: update(relation, { [column]: value }, filter),
      expected: { kind: 'dangling' as const },
    }))
  })
}
