import { orNothing } from '../plant/plant.ts'
import type { Sql } from 'postgres'

import type { Catalog, Relation } from '../catalog.ts'

/** Ids of the organizations that are added begin here, far from any other. */
const firstNeighbour = 8_800_000_000_000

/**
 * Copies every row of an organization for further organizations, so that statistics have something
 * to tell of others. Keys and triggers are off meanwhile: only rows are needed, not a sound tenant.
 *
 * @param superuser connection that may switch triggers off
 * @returns how many rows were added
 */
export async function addNeighbours(
  superuser: Sql,
  catalog: Catalog,
  organizationId: number,
  organizations: number,
): Promise<number> {
  return superuser.begin(async (tx) => {
    await tx`set local session_replication_role = replica`
    let added = 0
    for (const relation of catalog.relations.filter(({ kind }) => kind === 'table')) {
      const owner = ownerColumn(relation)
      if (owner === undefined) continue
      const stored = await tx<{ name: string }[]>`
        select attname as name from pg_attribute
        where attrelid = ${relation.id}::regclass and attnum > 0 and attgenerated = ''
          and not attisdropped`
      const names = stored.map(({ name }) => name)
      const values = names.map((name) => copyOf(relation, name, owner))
      const copied = await tx.unsafe(
        `insert into ${relation.id} (${names.map((name) => `"${name}"`).join()})
           overriding system value
         select ${values.join()} from ${relation.id} b, generate_series(1, $2::integer) n
         where b.${owner} = $1::bigint ${orNothing(relation)}`,
        [organizationId, organizations],
      )
      added += copied.count
    }
    // The platform's own breaker of another organization's model: a row without an organization.
    const breakers = await tx`
      insert into public.circuit_breaker_state (agent_id, model_id, state, failure_count, opened_at)
      select a.id, m.id, 'open', 5, now() from public.agents a
      join public.models m on m.organization_id = a.organization_id
      where a.organization_id >= ${firstNeighbour} on conflict do nothing`
    if (breakers.count === 0) throw new Error('no neighbour has a model of its own')
    added += breakers.count
    return added
  })
}

function ownerColumn({ id, columns }: Relation): string | undefined {
  if (id === 'public.organizations') return 'id'
  return columns.some(({ name }) => name === 'organization_id') ? 'organization_id' : undefined
}

function copyOf({ columns, unique }: Relation, name: string, owner: string): string {
  const type = columns.find((column) => column.name === name)?.type
  if (name === owner) return `${firstNeighbour} + n`
  if (name === 'id' && type === 'uuid') return 'gen_random_uuid()'
  if (name === 'id' && type === 'bigint') return 'b.id + n * 10000000000'
  const isUnique = unique.some((key) => key.join() === name)
  return isUnique && type === 'text' ? `b."${name}" || n` : `b."${name}"`
}
