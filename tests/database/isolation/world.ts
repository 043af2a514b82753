import type { Sql } from 'postgres'

import { type Actor, actorsOf, type PlantedPerson } from './actors.ts'
import { type Catalog, readCatalog } from './catalog.ts'
import { Names } from './plant/names.ts'
import { type MakeAccount, plantGrants, plantPlatform } from './plant/people.ts'
import { type PlantedTenant, plantTenant } from './plant/plant.ts'
import type { Row, Value } from './rules.ts'

/** Arguments of a function, by name. */
export type Args = Readonly<Record<string, Value>>

/** What is planted in a database, and everyone who acts on it. */
export interface World {
  catalog: Catalog
  a: PlantedTenant
  b: PlantedTenant
  others: PlantedPerson[]
  actors: Actor[]
  /** Every row of every table of ours, as JSON, before anything happened. */
  rows: ReadonlyMap<string, readonly Row[]>
}

/** The first half: A and the people of no tenant. */
export async function plantA(sql: Sql, accounts: MakeAccount, run?: string) {
  const catalog = await readCatalog(sql)
  const names = new Names('none', run)
  const others = await plantPlatform(sql, accounts, names)
  const invited = others.find(({ key }) => key === 'invited person')?.email ?? ''
  const veteran = others.find(({ wasMember }) => wasMember)?.id ?? ''
  const guests = { invited, veteran }
  const a = await plantTenant(sql, catalog, new Names('a', run), accounts, guests)
  await plantGrants(sql, others, a.organizationId)
  return { catalog, others, invited, a }
}

/** The second half, whose presence nobody of A may notice. */
export async function plantB(
  sql: Sql,
  accounts: MakeAccount,
  { catalog, others, invited, a }: Awaited<ReturnType<typeof plantA>>,
  run?: string,
): Promise<World> {
  const both = a.people.find(({ alsoInB }) => alsoInB)?.id ?? ''
  const b = await plantTenant(sql, catalog, new Names('b', run), accounts, { invited, both })
  const organizations = { a: a.organizationId, b: b.organizationId }
  const actors = actorsOf([...a.people, ...others, ...b.people], organizations)
  return { catalog, a, b, others, actors, rows: await readRows(sql, catalog) }
}

/** Every row of every table, by table. */
export async function readRows(sql: Sql, catalog: Catalog): Promise<Map<string, Row[]>> {
  const rows = new Map<string, Row[]>()
  for (const { id, kind } of catalog.relations) {
    if (kind !== 'table') continue
    const found = await sql.unsafe<{ row: Row }[]>(`select to_jsonb(t) as row from ${id} t`)
    rows.set(
      id,
      found.map(({ row }) => row),
    )
  }
  return rows
}
