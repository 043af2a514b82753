import type { Actor } from '../actors.ts'
import type { ApiRole } from '../catalog.ts'
import type { Args, World } from '../world.ts'
import type { Rule } from '../rules.ts'

/** Columns by name, separated by spaces; `*` for all of them. */
export interface Grant {
  select?: string
  insert?: string
  update?: string
  delete?: true
}

/** What is allowed on one table or view. What is not said is forbidden. */
export interface RelationExpectation {
  grants: Partial<Record<ApiRole, Grant>>
  /** Rows that `authenticated` sees; for a view, of those its query gives to an owner. */
  select?: Rule
  insert?: Rule
  update?: Rule
  delete?: Rule
  /**
   * Permissions, separated by spaces, of which a client needs one to write here at all; empty for an
   * active membership alone. Absent: no client writes, or anyone may try.
   */
  guard?: string
  /**
   * Columns, separated by spaces, that clients hold an update grant on so that an upsert may name them,
   * and whose change a trigger refuses.
   */
  kept?: string
  /** Set by the suite while the guards are away. */
  guarded?: false
  /** Exact names; each begins with its command. */
  policies?: readonly string[]
  /** Exact names, with what they do as the catalog writes it after the name and the table. */
  triggers?: Readonly<Record<string, string>>
  /** Referring columns, joined by spaces, with the table they lead to. */
  references?: Readonly<Record<string, string>>
  /** Written by clients alone, so that its policies can do what no key does. */
  clientsOnly?: true
  /** Tables, with their column, whose rows keep the row that they refer to: PT409 in_use. */
  keptBy?: Readonly<Record<string, string>>
  /** Columns that no role may ever read. */
  secret?: readonly string[]
  /** Columns that tell the rows of a view apart. */
  key?: readonly string[]
  /** `user_id` is whom the row is about, not who made it. */
  aboutOthers?: true
  /** Other columns, as `schema.table.column`, whose values its rows may repeat. */
  reveals?: readonly string[]
}

/** What is allowed with one function. */
export interface RoutineExpectation {
  executors: readonly ApiRole[]
  definer: boolean
  /** Who gets anything but an error from it; every executor when absent. */
  allowed?: (actor: Actor) => boolean
  /** Who is not allowed gets no rows, or null, instead of 42501. */
  empty?: true
  /** A call that succeeds for someone who is allowed. */
  example?: (world: World, actor: Actor) => Args
  /** Who runs the example; the administrator when absent. */
  control?: string
  /** Relations whose values it shows to a member who cannot read them there. */
  reveals?: readonly string[]
  /** It founds or joins an organization. */
  entersTenant?: true
  /** It works on tenants by design: called by those who run the platform. */
  crossesTenants?: true
  /** What it writes may name someone else of the organization than its caller. */
  aboutOthers?: true
  /** It may delete what its caller must not have, also of another organization. */
  destroys?: true
  /** It answers differently by design when another tenant holds the same value of this argument. */
  oracle?: string
}
