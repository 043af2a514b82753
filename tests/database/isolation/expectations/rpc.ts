import type { Actor } from '../actors.ts'
import type { Row, Value } from '../rules.ts'
import type { World } from '../world.ts'
import type { RoutineExpectation } from './types.ts'

export type Allowed = (actor: Actor) => boolean

export const account: Allowed = ({ hasAccount }) => hasAccount
export const inOrganization: Allowed = ({ organizationId }) => organizationId !== null
/** A person who may have conversations: with agents.invoke, and as a guest. */
export const converses: Allowed = ({ permissions, guestOf }) =>
  permissions.has('agents.invoke') || guestOf !== null
export const anywhere: Allowed = ({ organizationId, guestOf }) =>
  organizationId !== null || guestOf !== null
export const holds =
  (permission: string): Allowed =>
  ({ permissions }) =>
    permissions.has(permission)
export const runsPlatform: Allowed = ({ isPlatformAdministrator }) => isPlatformAdministrator

export type Options = Omit<RoutineExpectation, 'executors' | 'definer'>

/** A function for people: the body in private checks its caller, the one in public calls it. */
export function rpc(signature: string, options: Options): Record<string, RoutineExpectation> {
  return {
    [`public.${signature}`]: { executors: ['authenticated'], definer: false, ...options },
    [`private.${signature}`]: { executors: ['authenticated'], definer: true, ...options },
  }
}

/** What policies and column defaults call as the caller. */
export const helper = (definer: boolean): RoutineExpectation => ({
  executors: ['authenticated', 'service_role'],
  definer,
})

export function idOf(world: World, table: string, wanted: (row: Row) => boolean): Value {
  return world.rows.get(table)?.find(wanted)?.id ?? null
}
export const ofA = (world: World) => (row: Row) => row.organization_id === world.a.organizationId
export const person = (world: World, key: string): string =>
  world.a.people.find((one) => one.key === key)?.id ?? ''
export const reason = 'Looking into a reported fault'
