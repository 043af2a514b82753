import type { Actor } from './actors.ts'

export type Value = string | number | boolean | null | object
export type Row = Readonly<Record<string, Value>>

/** Whether an actor may do something to a row. `service_role` is not asked: it passes row policies. */
export type Rule = (actor: Actor, row: Row) => boolean

/** A member of the organization, whose token names it. */
export const member: Rule = (actor, row) =>
  actor.organizationId !== null && row.organization_id === actor.organizationId

export const holding =
  (permission: string): Rule =>
  (actor) =>
    actor.permissions.has(permission)

/** The row names the actor as its user. */
export const self: Rule = (actor, row) => actor.userId !== null && row.user_id === actor.userId

export const nobody: Rule = () => false

/** Any request that has an organization at all, for rows of the platform. */
export const anyMember: Rule = (actor) => actor.organizationId !== null

/** The platform's own rows, which have no organization. */
export const platformWide: Rule = (actor, row) =>
  row.organization_id === null && actor.organizationId !== null

export const is =
  (column: string, value: Value): Rule =>
  (_actor, row) =>
    row[column] === value

export const all =
  (...rules: readonly Rule[]): Rule =>
  (actor, row) =>
    rules.every((rule) => rule(actor, row))

export const any =
  (...rules: readonly Rule[]): Rule =>
  (actor, row) =>
    rules.some((rule) => rule(actor, row))

/** A guest's own row: no other row of the organization is for a guest. */
export const ofGuest: Rule = (actor, row) =>
  actor.guestOf !== null && row.organization_id === actor.guestOf && row.user_id === actor.userId

/** A conversation that a guest began, for those who answer guests. */
const answersGuest: Rule = all(is('of_guest', true), holding('sessions.answer'))

/**
 * Private content for members: one's own, what is shared, of guests with sessions.answer, all of it with
 * content.read_all.
 */
export const memberReader: Rule = all(
  member,
  any(self, is('visibility', 'organization'), answersGuest, holding('content.read_all')),
)

/** Private content that a guest has too: their own. */
export const reader: Rule = any(memberReader, ofGuest)

/** A member who holds the permission. */
export const manager = (permission: string): Rule => all(member, holding(permission))

/** A chat session of one's own: a member's with agents.invoke, and a guest's. */
export const ownSession: Rule = any(all(member, self, holding('agents.invoke')), ofGuest)

/** The same to make: a guest's names nothing of the organization, and is not shared. */
export const plainSession: Rule = all(
  ownSession,
  (actor, { agent_id, model_id, project_id, visibility = 'private' }) =>
    actor.guestOf === null ||
    (visibility === 'private' && [agent_id, model_id, project_id].every((id) => id == null)),
)
