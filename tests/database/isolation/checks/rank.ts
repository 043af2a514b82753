import { type Actor, permissionsOfRank, type Rank, rankOf } from '../actors.ts'
import type { Outcome } from '../attempt.ts'
import type { Case, Finding } from '../cases/types.ts'
import type { Row } from '../rules.ts'
import type { World } from '../world.ts'
import { describe } from './leaks.ts'
import { firstFreshId } from './tenancy.ts'

const holds = (row: Row | undefined): Set<string> => {
  if (row === undefined || row.ended_at !== null) return new Set()
  const added = Array.isArray(row.permissions) ? (row.permissions as string[]) : []
  return new Set([...(permissionsOfRank[row.role as Rank] ?? []), ...added])
}

/**
 * No case may leave anyone with a higher role or more permissions than before, unless the actor
 * manages members and holds what is given, accepts an invitation to it, founded the organization, or joins
 * as a guest one that takes guests.
 */
export function checkRank(world: World, one: Case, outcome: Outcome): Finding[] {
  if (outcome.written === null || one.actor === 'owner') return []
  const actor = one.actor
  const rises = (outcome.written['client_mgmt.client_users'] ?? []).filter((row) => {
    const before = world.rows
      .get('client_mgmt.client_users')
      ?.find((old) => old.organization_id === row.organization_id && old.user_id === row.user_id)
    const had = holds(before)
    const gained = [...holds(row)].filter((permission) => !had.has(permission))
    const wasRank = before?.ended_at === null ? rankOf(before.role as string) : 0
    const isRank = row.ended_at === null ? rankOf(row.role as string) : 0
    return (gained.length > 0 || isRank > wasRank) && !mayRaise(world, actor, row, gained, isRank)
  })
  const sessions = (outcome.written['public.user_sessions'] ?? []).filter(
    (row) => row.is_active === true && !isDerived(world, outcome, row),
  )
  return [
    ...rises.map((row) => `membership ${JSON.stringify([row.user_id, row.role, row.permissions])}`),
    ...sessions.map((row) => `session ${JSON.stringify([row.user_id, row.role, row.permissions])}`),
  ].map((message) => ({
    rule: 'rank rises only by someone who may raise it' as const,
    object: one.object,
    actor: actor.name,
    message: `${describe(one)}: ${message}`,
  }))
}

function mayRaise(
  world: World,
  actor: Actor,
  row: Row,
  gained: readonly string[],
  rank: number,
): boolean {
  const founded =
    Number(row.organization_id) >= firstFreshId && Number(row.organization_id) < 7_000_000_000_000
  if (founded) return row.user_id === actor.userId
  const invited = (world.rows.get('client_mgmt.invitations') ?? []).some(
    (invitation) =>
      invitation.organization_id === row.organization_id &&
      invitation.role === row.role &&
      invitation.accepted_at === null &&
      invitation.revoked_at === null &&
      Date.parse(invitation.expires_at as string) > Date.now() &&
      invitation.email === actor.claims.email,
  )
  const isJoin =
    row.role === 'guest' &&
    (world.rows.get('public.organizations') ?? []).some(
      ({ id, settings }) =>
        id === row.organization_id && (settings as Row).guests_may_join === true,
    )
  if (isJoin && row.user_id === actor.userId) return (row.permissions as string[]).length === 0
  if (invited) return row.user_id === actor.userId && (row.permissions as string[]).length === 0
  return (
    actor.organizationId === row.organization_id &&
    actor.permissions.has('members.manage') &&
    rank <= actor.rank &&
    (actor.rank === rankOf('owner') ||
      gained.every((permission) => actor.permissions.has(permission)))
  )
}

/** A session that gives access holds exactly what its membership or grant gives. */
function isDerived(world: World, outcome: Outcome, session: Row): boolean {
  const chosen = session.key_permissions as readonly string[] | null
  const after = (table: string) => [
    ...(outcome.written?.[table] ?? []),
    ...(world.rows.get(table) ?? []),
  ]
  const wanted =
    session.access_grant_id == null
      ? holds(
          after('client_mgmt.client_users').find(
            (row) =>
              row.organization_id === session.organization_id && row.user_id === session.user_id,
          ),
        )
      : after('client_mgmt.access_grants').some(
            (row) =>
              row.id === session.access_grant_id &&
              row.admin_user_id === session.user_id &&
              row.scope === 'content',
          )
        ? new Set(['content.read_all'])
        : new Set<string>()
  const has = session.permissions as string[]
  const may = new Set([...wanted].filter((permission) => chosen?.includes(permission) ?? true))
  return has.length === may.size && has.every((permission) => may.has(permission))
}
