import type { Actor } from '../actors.ts'
import type { Outcome } from '../attempt.ts'
import type { Case, Finding } from '../cases/types.ts'
import type { RelationExpectation } from '../expectations/types.ts'
import { maySee } from '../facts.ts'
import { foreignIdPattern, markerPattern } from '../plant/names.ts'
import type { Row } from '../rules.ts'
import type { World } from '../world.ts'

interface Place {
  relation: string
  column: string
  row: Row
}

/** Where each planted value stands. */
export function indexMarkers(world: World): Map<string, Place[]> {
  const index = new Map<string, Place[]>()
  for (const [relation, rows] of world.rows) {
    for (const row of rows) {
      for (const [column, value] of Object.entries(row)) {
        for (const [marker] of (JSON.stringify(value) ?? '').matchAll(markerPattern)) {
          index.set(marker, [...(index.get(marker) ?? []), { relation, column, row }])
        }
      }
    }
  }
  return index
}

/**
 * Values in an answer that the actor neither sent nor may read: each is found by the mark it was
 * planted with, in rows and in the words of errors.
 */
export function findLeaks(
  world: World,
  markers: ReadonlyMap<string, readonly Place[]>,
  expectations: Readonly<Record<string, RelationExpectation>>,
  one: Case,
  outcome: Outcome,
  { reveals, crossesTenants }: { reveals: readonly string[]; crossesTenants: boolean },
): Finding[] {
  if (one.actor === 'owner') return []
  const actor = one.actor
  const { rows, message, detail, hint } = outcome
  const body = JSON.stringify([rows, message, detail, hint])
  const seen = new Set([...body.matchAll(markerPattern)].map(([marker]) => marker))
  const leaked = [...seen].filter(
    (marker) =>
      !one.sent.includes(marker) &&
      !mayKnow(world, marker, markers.get(marker) ?? [], expectations, actor, reveals),
  )
  const ids = [
    ...new Set([...body.matchAll(new RegExp(foreignIdPattern, 'g'))].map(([id]) => id)),
  ].filter(
    (id) =>
      actor.tenant !== 'b' &&
      !crossesTenants &&
      actor.role !== 'service_role' &&
      !one.sent.includes(id) &&
      !JSON.stringify(actor.claims).includes(id),
  )
  const from = (marker: string) =>
    markers
      .get(marker)
      ?.map(({ relation, column }) => `${relation}.${column}`)
      .join() ?? 'nowhere'
  return [
    ...leaked.map((marker) => `shows ${marker} of ${from(marker)}`),
    ...ids.map((id) => `shows the id ${id}`),
  ].map((message) => ({
    rule: 'no answer holds a value that its caller may not read' as const,
    object: one.object,
    actor: actor.name,
    message: `${describe(one)}: ${message}`,
  }))
}

function mayKnow(
  world: World,
  marker: string,
  places: readonly Place[],
  expectations: Readonly<Record<string, RelationExpectation>>,
  actor: Actor,
  reveals: readonly string[],
): boolean {
  // Of a row that a case has made: no news within the tenant.
  if (places.length === 0)
    return actor.role === 'service_role' || marker.startsWith(`canary-${actor.tenant}`)
  const isRevealed = ({ relation, column }: Place) => reveals.includes(`${relation}.${column}`)
  const secret = places.filter(
    ({ relation, column }) => expectations[relation]?.secret?.includes(column) === true,
  )
  // A secret is one wherever else it turns up, such as in an audit log that one may read.
  if (secret.length > 0 && !secret.some(isRevealed)) return false
  return places.some((place) => {
    const { relation, row } = place
    const expectation = expectations[relation]
    if (expectation === undefined) return false
    if (actor.role === 'service_role') return true
    // What a person wrote on their own device is no news to them.
    if (relation === 'public.user_sessions' && row.user_id === actor.userId) return true
    if (isRevealed(place) && actor.isPlatformAdministrator) return true
    if (isRevealed(place)) return sharesTenant(world, place, actor)
    return maySee(world, relation, expectation, actor, row)
  })
}

/**
 * Whether a revealed row is of the actor's organization; an account is, through its membership. A person
 * knows the organizations of all their memberships, and who invited them where. The address of a guest is for
 * members with members.manage.
 */
function sharesTenant(world: World, { relation, column, row }: Place, actor: Actor): boolean {
  const memberships = world.rows.get('client_mgmt.client_users') ?? []
  const own = memberships.filter(({ user_id, ended_at }) => user_id === actor.userId && !ended_at)
  const person = world.rows.get('public.users')?.find(({ id }) => id === actor.userId)
  const invitations = world.rows.get('client_mgmt.invitations') ?? []
  const invited = (organization: unknown) =>
    invitations.some((one) => one.email === person?.email && one.organization_id === organization)
  if (relation === 'public.organizations')
    return own.some((one) => one.organization_id === row.id) || invited(row.id)
  if (relation !== 'public.users')
    return actor.organizationId !== null && row.organization_id === actor.organizationId
  const mayKnowGuest = column !== 'email' || actor.permissions.has('members.manage')
  return memberships.some(
    ({ user_id, organization_id: at, role }) =>
      user_id === row.id &&
      ((actor.organizationId !== null &&
        at === actor.organizationId &&
        (role !== 'guest' || mayKnowGuest)) ||
        invited(at)),
  )
}

export function describe({ verb, target, note }: Case): string {
  return `${verb} (${target}, ${note})`
}
