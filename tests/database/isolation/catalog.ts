import type { ISql } from 'postgres'

import { relationsQuery, routinesQuery } from './catalog-queries.ts'

/** The roles a request can have; PostgREST becomes one of the first three. */
export const apiRoles = ['anon', 'authenticated', 'service_role', 'supabase_auth_admin'] as const
export type ApiRole = (typeof apiRoles)[number]

export const exposedSchemas = ['public', 'client_mgmt', 'conversation']

export interface Column {
  name: string
  /** As `format_type` writes it. */
  type: string
  notNull: boolean
  default: string | null
  identity: boolean
}

export interface ForeignKey {
  name: string
  columns: string[]
  /** `schema.table` */
  parent: string
  parentColumns: string[]
  validated: boolean
}

export interface Policy {
  name: string
  command: 'select' | 'insert' | 'update' | 'delete' | 'all'
  permissive: boolean
  roles: string[]
  using: string | null
  check: string | null
}

export interface Trigger {
  name: string
  enabled: boolean
  /** From `before` or `after` on, without the table. */
  does: string
}

/** Columns by verb; `delete`, `truncate`, `trigger` are of the whole table. */
export interface GrantRow {
  role: ApiRole
  select: string[]
  insert: string[]
  update: string[]
  references: string[]
  other: string[]
}

export interface Relation {
  /** `schema.name` */
  id: string
  kind: 'table' | 'view'
  exposed: boolean
  rowSecurity: boolean
  forced: boolean
  invoker: boolean
  columns: Column[]
  primaryKey: string[]
  unique: string[][]
  /** Those of them for which two nulls are the same value. */
  nullsNotDistinct: string[][]
  /** Those of them that hold at the end of a statement, and so are no arbiter of an upsert. */
  deferrable: string[][]
  checks: { name: string; definition: string; columns: string[] }[]
  foreignKeys: ForeignKey[]
  policies: Policy[]
  triggers: Trigger[]
  grants: GrantRow[]
}

export interface Routine {
  /** `schema.name(types)` */
  id: string
  schema: string
  name: string
  arguments: { name: string; type: string; optional: boolean }[]
  returns: string
  definer: boolean
  /** Whether `search_path` is set to nothing. */
  closedPath: boolean
  isTrigger: boolean
  executors: ApiRole[]
  body: string
}

export interface Catalog {
  relations: Relation[]
  routines: Routine[]
  /** Schema privileges of the API roles, as `role schema privilege`. */
  schemaGrants: string[]
  /** Privileges of the API roles on sequences, which identity columns do not need. */
  sequenceGrants: string[]
}

/** Reads every object of our schemas that a request could reach. */
export async function readCatalog(sql: ISql): Promise<Catalog> {
  const parameters = [[...exposedSchemas, 'private'], exposedSchemas, [...apiRoles]]
  const relations = await sql.unsafe<{ relation: Relation }[]>(relationsQuery, parameters)
  const routines = await sql.unsafe<{ routine: Routine }[]>(routinesQuery, parameters)
  const schemas = await sql<{ line: string }[]>`
    select r || ' ' || n.nspname || ' ' || p as line
    from pg_namespace n, unnest(${[...apiRoles]}::text[]) r, unnest('{usage,create}'::text[]) p
    where n.nspname = any(${[...exposedSchemas, 'private']}) and has_schema_privilege(r, n.oid, p)
    order by 1`
  const sequences = await sql<{ line: string }[]>`
    select r || ' ' || c.oid::regclass || ' ' || p as line
    from pg_class c, unnest(${[...apiRoles]}::text[]) r, unnest('{usage,select,update}'::text[]) p
    where c.relkind = 'S' and has_sequence_privilege(r, c.oid, p)
      and c.relnamespace = any(${[...exposedSchemas, 'private']}::regnamespace[])
    order by 1`
  return {
    sequenceGrants: sequences.map((row) => row.line),
    relations: relations.map((row) => row.relation),
    routines: routines.map((row) => row.routine),
    schemaGrants: schemas.map((row) => row.line),
  }
}

export function relationOf(catalog: Catalog, id: string): Relation {
  const relation = catalog.relations.find((one) => one.id === id)
  if (relation === undefined) throw new Error(`there is no relation ${id}`)
  return relation
}
