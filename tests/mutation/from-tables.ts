import type { Catalog, Relation } from '../database/isolation/catalog.ts'
import type { Mutant } from './mutant.ts'

const quoted = (name: string): string => `"${name}"`

/** Grants, triggers, keys, row-level security and views, each weakened by itself. */
export function tableMutants(catalog: Catalog): Mutant[] {
  return catalog.relations.flatMap((relation) => [
    ...grantMutants(relation),
    ...triggerMutants(relation),
    ...keyMutants(relation),
    ...securityMutants(relation),
  ])
}

function grantMutants({ id, kind, columns, grants }: Relation): Mutant[] {
  const mutants: Mutant[] = []
  const add = (what: string, role: string): void => {
    mutants.push({
      kind: 'grant added',
      objects: [id],
      name: `grant ${what} on ${id} to ${role}`,
      sql: `grant ${what} on ${id} to ${role}`,
    })
  }
  for (const { role, ...held } of grants) {
    if (role === 'supabase_auth_admin') continue
    for (const verb of ['select', 'insert', 'update'] as const) {
      const missing = columns.map(({ name }) => name).filter((name) => !held[verb].includes(name))
      if (missing.length === columns.length) add(verb, role)
      else for (const name of missing) add(`${verb} (${quoted(name)})`, role)
    }
    if (kind === 'view') continue
    for (const verb of ['delete', 'truncate']) if (!held.other.includes(verb)) add(verb, role)
  }
  return mutants
}

function triggerMutants({ id, triggers }: Relation): Mutant[] {
  return triggers.map(({ name }) => ({
    kind: 'trigger disabled',
    objects: [id],
    name: `trigger ${name} disabled`,
    sql: `alter table ${id} disable trigger ${name}`,
  }))
}

function keyMutants({ id, foreignKeys, unique, nullsNotDistinct, primaryKey }: Relation): Mutant[] {
  const dropped = foreignKeys.map(({ name, columns, parent }): Mutant => ({
    kind: 'foreign key dropped',
    objects: [id],
    name: `${name} (${columns.join(', ')}) to ${parent} dropped`,
    sql: `alter table ${id} drop constraint ${name}`,
  }))
  // As it would be without the tenant: one value for the whole platform.
  const widened = unique
    .filter(
      (key) =>
        key.join() !== primaryKey.join() && key.includes('organization_id') && key.length > 1,
    )
    .map((key): Mutant => {
      const columns = key.filter((name) => name !== 'organization_id').map(quoted)
      const strict = nullsNotDistinct.some((one) => one.join() === key.join())
      const nulls = strict ? ' nulls not distinct' : ''
      return {
        kind: 'unique key across tenants',
        objects: [id],
        name: `${id} unique on ${columns.join(', ')} alone`,
        sql: `create unique index mutant_key on ${id} (${columns.join(', ')})${nulls}`,
        undo: `drop index if exists ${id.split('.')[0]}.mutant_key`,
      }
    })
  return [...dropped, ...widened]
}

function securityMutants({ id, kind }: Relation): Mutant[] {
  if (kind === 'view') {
    return [
      {
        kind: 'view reads as its owner',
        objects: [id],
        name: `${id} without security_invoker`,
        sql: `alter view ${id} set (security_invoker = false)`,
      },
    ]
  }
  return [
    {
      kind: 'row-level security off',
      objects: [id],
      name: `${id} without row-level security`,
      sql: `alter table ${id} disable row level security`,
    },
    {
      kind: 'row-level security not forced',
      objects: [id],
      name: `${id} without force`,
      sql: `alter table ${id} no force row level security`,
    },
  ]
}
