import type { ForeignKey, Relation } from '../catalog.ts'
import type { Row, Value } from '../rules.ts'
import type { Names } from './names.ts'
import { special } from './special.ts'
import { plantedValue } from './values.ts'

/** What is known of a tenant while its rows are made. */
export interface Planting {
  names: Names
  organizationId: number
  owner: string
  member: string
  /** A former member who left rows. */
  veteran: string | undefined
  /** The guests of the organization, who each have conversations. */
  customers: readonly string[]
  /** Address of a person who is in no organization and is invited. */
  invited: string
  platformAgent: number
  preferenceType: number
  /** The tenant's rows so far. */
  rows: ReadonlyMap<string, readonly Row[]>
}

type Draft = Record<string, Value>

const people = ['client_mgmt.client_users', 'public.users', 'public.organizations', 'auth.users']

/** Keys that lead to other content of the tenant, the most telling one first. */
function parentKeys(relation: Relation): ForeignKey[] {
  return relation.foreignKeys
    .filter(
      ({ parent, columns }) =>
        // A key that contains the row's own id points down, not up.
        parent !== relation.id && !people.includes(parent) && !columns.includes('id'),
    )
    .sort((a, b) => b.columns.length - a.columns.length || Number(b.name < a.name) - 1)
}

/**
 * Rows to plant in a table: one per row of the table it hangs on, or per kind of person it can
 * belong to, or as plant/special.ts says; every text and JSON column carries its own marker.
 */
export function rowsFor(relation: Relation, planting: Planting): Row[] {
  const overrides = special[relation.id]?.(planting) ?? [{}]
  const [driving] = parentKeys(relation)
  const parents = driving === undefined ? [] : (planting.rows.get(driving.parent) ?? [])
  const starts: Draft[] =
    driving !== undefined && parents.length > 0
      ? parents.slice(0, 6).map((parent) => referTo(driving, parent))
      : hasUser(relation)
        ? [{ user_id: planting.member }, { user_id: planting.owner }]
        : [{}]
  // Overrides that differ are each a kind of row; a single one goes for every row.
  const drafts =
    overrides.length > 1
      ? overrides.map((override) => ({ ...starts[0], ...override }))
      : starts.map((start) => ({ ...start, ...overrides[0] }))
  return drafts
    .slice(0, isSingle(relation) ? 1 : undefined)
    .map((draft) => complete(relation, draft, planting))
}

const hasUser = ({ columns }: Relation): boolean => columns.some(({ name }) => name === 'user_id')

/** One row per organization at most. */
const isSingle = ({ unique }: Relation): boolean =>
  unique.some((columns) => columns.join() === 'organization_id')

function referTo({ columns, parentColumns }: ForeignKey, parent: Row): Draft {
  const draft: Draft = {}
  columns.forEach((column, index) => {
    draft[column] = parent[parentColumns[index] ?? ''] ?? null
  })
  // Content of a session belongs to the session's user.
  if (typeof parent.user_id === 'string') draft.user_id = parent.user_id
  return draft
}

function complete(relation: Relation, draft: Draft, planting: Planting): Row {
  const row: Draft = {}
  const known = new Set(relation.columns.map(({ name }) => name))
  if (known.has('organization_id')) row.organization_id = planting.organizationId
  for (const [name, value] of Object.entries(draft)) if (known.has(name)) row[name] = value
  for (const key of parentKeys(relation)) {
    const [parent] = planting.rows.get(key.parent) ?? []
    if (parent === undefined) continue
    for (const [name, value] of Object.entries(referTo(key, parent))) {
      if (name !== 'user_id' && known.has(name)) row[name] ??= name in draft ? null : value
    }
  }
  for (const key of relation.foreignKeys.filter(({ parent }) => people.includes(parent))) {
    const person = key.columns.at(-1) ?? ''
    if (person !== 'organization_id' && row[person] === undefined) row[person] = planting.owner
  }
  if (known.has('user_id')) row.user_id ??= 'user_id' in draft ? null : planting.owner
  const selfReferring = relation.foreignKeys
    .filter(({ parent }) => parent === relation.id)
    .map(({ columns }) => columns.at(-1))
  for (const column of relation.columns) {
    if (row[column.name] !== undefined || selfReferring.includes(column.name)) continue
    const value = column.identity
      ? planting.names.id()
      : plantedValue(relation, column, planting.names)
    if (value !== undefined) row[column.name] = value
  }
  return row
}
