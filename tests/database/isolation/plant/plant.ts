import type { ISql } from 'postgres'

import { type PlantedPerson, people as everyone } from '../actors.ts'
import { type Catalog, type ForeignKey, type Relation, relationOf } from '../catalog.ts'
import { relationExpectations } from '../expectations/index.ts'
import type { Row } from '../rules.ts'
import { type Names } from './names.ts'
import { type Guests, joinOnly, type MakeAccount, plantMemberships } from './people.ts'
import { rowsFor } from './rows.ts'

/** Planted by hand or by triggers, in this order of events. */
const byHand = [
  'public.organizations',
  'public.users',
  'public.user_sessions',
  'client_mgmt.client_users',
  'client_mgmt.access_grants',
  'public.platform_admins',
  'public.admin_audit_log',
  'public.audit_logs',
]
/** What stands beside a table that clients read, so that no answer may hold it. */
const secrets = [
  'private.invitation_tokens',
  'private.mcp_bearer_tokens',
  'private.mcp_header_keys',
  'private.oauth_client_secrets',
  'private.provider_keys',
]
/** The platform's own, the same for every tenant. */
const platforms = ['public.preference_types']

export interface PlantedTenant {
  organizationId: number
  people: PlantedPerson[]
  names: Names
}

/** Makes an organization, its people with a session each, and rows in every exposed table. */
export async function plantTenant(
  sql: ISql,
  catalog: Catalog,
  names: Names,
  makeAccount: MakeAccount,
  guests: Guests,
): Promise<PlantedTenant> {
  const people: PlantedPerson[] = []
  for (const person of everyone.filter(({ tenant }) => tenant === names.tenant)) {
    people.push(await makeAccount(person, names))
  }
  const organization = relationOf(catalog, 'public.organizations')
  const [made] = await insertRow(sql, organization, {
    ...rowsFor(organization, planting(names, 0, people, guests, [0, 0], new Map()))[0],
  })
  const organizationId = Number(made?.id)
  await plantMemberships(sql, people, organizationId, names)
  for (const id of [guests.veteran, guests.both]) {
    if (id !== undefined) await joinOnly(sql, organizationId, id)
  }

  const [shared] = await sql<{ agent: number; type: number }[]>`
    select (select id::float8 from public.agents where organization_id is null order by id limit 1) as agent,
      (select id::float8 from public.preference_types order by id desc limit 1) as type`
  const rows = new Map<string, Row[]>()
  for (const relation of inOrder(catalog)) {
    const ids: [number, number] = [shared?.agent ?? 0, shared?.type ?? 0]
    const context = planting(names, organizationId, people, guests, ids, rows)
    rows.set(relation.id, await existing(sql, relation, organizationId))
    for (const row of rowsFor(relation, context)) {
      rows.get(relation.id)?.push(...(await insertRow(sql, relation, row)))
    }
  }
  // Content refers to those; a row that nothing refers to may be deleted.
  for (const relation of inOrder(catalog)) {
    if (relationExpectations[relation.id]?.keptBy === undefined) continue
    const context = planting(names, organizationId, people, guests, [0, 0], rows)
    for (const row of rowsFor(relation, context).slice(0, 1)) await insertRow(sql, relation, row)
  }
  if (guests.veteran !== undefined) {
    await sql`update client_mgmt.client_users set ended_at = now()
      where organization_id = ${organizationId} and user_id = ${guests.veteran}`
  }
  // One execution still runs: A's under a lease that holds, B's under one that is over.
  const lease = names.tenant === 'b' ? '2020-01-01' : '2099-01-01'
  await sql`
    update public.agent_executions x set status = 'running', completed_at = null, lease_expires_at = ${lease}
    where x.organization_id = ${organizationId} and x.id = (
      select y.id from public.agent_executions y where y.organization_id = ${organizationId} order by y.id desc limit 1)`
  for (const relation of inOrder(catalog)) {
    const found = await existing(sql, relation, organizationId)
    if (found.length === 0) throw new Error(`${relation.id} got no row: see plant/special.ts`)
  }
  return { organizationId, people, names }
}

/** Rows that a trigger made with the organization, which later rows may refer to. */
async function existing(sql: ISql, relation: Relation, organizationId: number): Promise<Row[]> {
  const rows = await sql.unsafe<{ row: Row }[]>(
    `select to_jsonb(t) as row from ${relation.id} t where to_jsonb(t) ->> 'organization_id' = $1`,
    [String(organizationId)],
  )
  return rows.map(({ row }) => row)
}

export function planting(
  names: Names,
  organizationId: number,
  people: readonly PlantedPerson[],
  guests: Guests,
  [platformAgent, preferenceType]: readonly [number, number],
  rows: ReadonlyMap<string, readonly Row[]>,
) {
  const idOf = (rank: string) =>
    people.find((one) => one.rank === rank && !one.permissions && !one.alsoInB)?.id ?? ''
  return {
    names,
    organizationId,
    owner: idOf('owner'),
    // In B the rows of a member are those of the one who acts in A.
    member: guests.both ?? idOf('member'),
    veteran: guests.veteran,
    customers: people.filter(({ rank }) => rank === 'guest').map(({ id }) => id),
    invited: guests.invited,
    platformAgent,
    preferenceType,
    rows,
  }
}

/** Tables to plant, parents before children. */
function inOrder(catalog: Catalog): Relation[] {
  const left = catalog.relations.filter(
    ({ id, kind, exposed }) =>
      (exposed || secrets.includes(id)) &&
      kind === 'table' &&
      !byHand.includes(id) &&
      !platforms.includes(id),
  )
  const ordered: Relation[] = []
  while (left.length > 0) {
    const waits = (relation: Relation, key: ForeignKey) =>
      key.parent !== relation.id && left.some(({ id }) => id === key.parent)
    const free = left.findIndex(
      (relation) => !relation.foreignKeys.some((key) => waits(relation, key)),
    )
    // A key that may be null is no reason to wait where keys go in a circle.
    const next =
      free !== -1
        ? free
        : left.findIndex((relation) =>
            relation.foreignKeys.every((key) => isOptional(relation, key) || !waits(relation, key)),
          )
    if (next === -1)
      throw new Error(`the foreign keys go in a circle: ${left.map(({ id }) => id).join()}`)
    ordered.push(...left.splice(next, 1))
  }
  return ordered
}

function isOptional(relation: Relation, { columns }: ForeignKey): boolean {
  return relation.columns.some(({ name, notNull }) => columns.includes(name) && !notNull)
}

/** Leaves out a row that is there already; a deferrable key is no arbiter of that. */
export const orNothing = ({ id }: Relation): string =>
  id === 'conversation.block_turns'
    ? 'on conflict (organization_id, block_id, turn_id) do nothing'
    : 'on conflict do nothing'

async function insertRow(sql: ISql, relation: Relation, row: Row): Promise<Row[]> {
  const columns = Object.keys(row).map((name) => `"${name}"`)
  try {
    const made = await sql.unsafe<{ row: Row }[]>(
      `insert into ${relation.id} as t (${columns.join()}) overriding system value
       select ${columns.join()} from jsonb_populate_record(null::${relation.id}, $1::text::jsonb)
       ${orNothing(relation)} returning to_jsonb(t) as row`,
      [JSON.stringify(row)],
    )
    return made.map((one) => one.row)
  } catch (error) {
    throw new Error(
      `${relation.id} cannot be planted: ${String(error)}. Say in plant/special.ts what a valid row is. Tried ${JSON.stringify(row)}`,
      { cause: error },
    )
  }
}
