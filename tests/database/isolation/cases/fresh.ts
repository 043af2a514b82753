import type { Actor } from '../actors.ts'
import type { Relation } from '../catalog.ts'
import { Names } from '../plant/names.ts'
import { rowsFor } from '../plant/rows.ts'
import { further } from '../plant/special.ts'
import { planting, type PlantedTenant } from '../plant/plant.ts'
import type { Row } from '../rules.ts'
import type { World } from '../world.ts'

/** Rows like the planted ones, with new values, that the actor's own tenant could take. */
export function freshRows(world: World, relation: Relation, actor: Actor): Row[] {
  const tenant: PlantedTenant = actor.tenant === 'b' ? world.b : world.a
  const rows = new Map(
    [...world.rows].map(([id, all]) => [
      id,
      all.filter((row) => row.organization_id === tenant.organizationId),
    ]),
  )
  const [shared] =
    world.rows.get('public.agents')?.filter((row) => row.organization_id === null) ?? []
  // One of the planted: those of the platform take no text that carries a mark.
  const type = world.rows
    .get('public.preference_types')
    ?.find(({ name }) => typeof name === 'string' && name.startsWith('canary'))
  const context = planting(
    new Names(tenant.names.tenant, 'ffff'),
    tenant.organizationId,
    tenant.people,
    { invited: 'fresh@example.com' },
    [Number(shared?.id), Number(type?.id)],
    rows,
  )
  const differences = further[relation.id]?.(context) ?? {}
  return rowsFor(relation, context).map((planted) => {
    const row = { ...planted, ...differences }
    // As a client would: identity values are the database's, and one's own user the default.
    const draft: Record<string, Row[string]> = { ...row }
    for (const { name, identity } of relation.columns) if (identity) delete draft[name]
    return draft
  })
}
