import type { Actor } from './actors.ts'
import type { Relation } from './catalog.ts'
import type { RelationExpectation } from './expectations/types.ts'
import type { Row } from './rules.ts'
import type { World } from './world.ts'

/**
 * A row with what its rule may ask and its columns do not say: the organization of an
 * organization, the visibility of the session that a message or an execution belongs to, and whether a
 * guest began it.
 */
export function withFacts(world: World, relation: string, row: Row): Row {
  if (relation === 'public.organizations') return { ...row, organization_id: row.id ?? null }
  const budget =
    row.budget_id === undefined
      ? undefined
      : find(world, 'client_mgmt.budgets', row.organization_id, row.budget_id)
  if (budget !== undefined) return { ...row, user_id: budget.user_id ?? null }
  const server =
    row.mcp_configuration_id === undefined || row.execution_id !== undefined
      ? undefined
      : find(world, 'public.mcp_configurations', row.organization_id, row.mcp_configuration_id)
  if (server !== undefined) return { ...row, user_id: server.user_id ?? null }
  const execution =
    row.execution_id === undefined
      ? undefined
      : find(world, 'public.agent_executions', row.organization_id, row.execution_id)
  const session = row.session_id ?? execution?.session_id
  if (session === undefined || row.visibility !== undefined) return row
  const chat = find(world, 'public.chat_sessions', row.organization_id, session)
  return {
    ...row,
    visibility: chat?.visibility ?? null,
    of_guest: chat?.of_guest ?? null,
    user_id: row.user_id ?? chat?.user_id ?? null,
  }
}

function find(
  world: World,
  table: string,
  organizationId: Row[string] | undefined,
  id: Row[string] | undefined,
): Row | undefined {
  return world.rows
    .get(table)
    ?.find((row) => row.id === id && row.organization_id === organizationId)
}

/** Whether the actor may read the row; grants are another matter. */
export function maySee(
  world: World,
  relation: string,
  expectation: RelationExpectation,
  actor: Actor,
  row: Row,
): boolean {
  if (actor.role === 'service_role') return true
  if (actor.role === 'anon') return false
  return expectation.select?.(actor, withFacts(world, relation, row)) ?? false
}

export function mayWrite(
  world: World,
  relation: string,
  rule: RelationExpectation['select'],
  actor: Actor,
  row: Row,
): boolean {
  if (actor.role === 'service_role') return true
  return rule?.(actor, withFacts(world, relation, row)) ?? false
}

/** Whether content refers to the row, which therefore stays. */
export const isInUse = (world: World, { keptBy = {} }: RelationExpectation, { id }: Row): boolean =>
  Object.entries(keptBy).some(([table, column]) =>
    world.rows.get(table)?.some((row) => row[column] === id),
  )

/** Whether a client's write is refused before any row is looked at. */
export function isGuarded({ guard }: RelationExpectation, actor: Actor): boolean {
  if (guard === undefined || actor.role !== 'authenticated') return false
  const permissions = guard.split(' ').filter((permission) => permission !== '')
  if (actor.guestOf !== null) return !permissions.includes('guest')
  if (actor.organizationId === null) return true
  return (
    permissions.length > 0 && !permissions.some((permission) => actor.permissions.has(permission))
  )
}

/** Columns that a client's update may name and not change. */
export const keptColumns = ({ kept = '' }: RelationExpectation): string[] =>
  kept.split(' ').filter((name) => name !== '')

/** Columns a role holds a privilege on and may use it, from the expectation. */
export function grantedColumns(
  relation: Relation,
  expectation: RelationExpectation,
  role: Actor['role'],
  privilege: 'select' | 'insert' | 'update',
): string[] {
  const text = expectation.grants[role]?.[privilege]
  if (text === undefined) return []
  if (text === '*') return relation.columns.map(({ name }) => name)
  return text.split(' ')
}
