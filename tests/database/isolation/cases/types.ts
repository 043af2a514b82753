import type { Actor } from '../actors.ts'
import type { Row, Value } from '../rules.ts'
import type { Rule } from '../rules-list.ts'

/** Whose rows a statement is about. */
export type Target = 'own' | 'other' | 'absent' | 'all'

export type Verb = 'select' | 'insert' | 'update' | 'upsert' | 'delete' | 'truncate' | 'rpc'

/** What must come of a case, beyond what holds for all of them. */
export type Expected =
  /** SQLSTATE 42501. */
  | { kind: 'refused'; orDangling?: true }
  /** Exactly these rows come back, or are counted as affected. */
  | { kind: 'rows'; rows: readonly Row[]; key: readonly string[] }
  | { kind: 'affected'; count: number }
  /** Content refers to a row that would go: PT409 in_use. */
  | { kind: 'in use' }
  /** It succeeds, or the positive control is missing. */
  | { kind: 'succeeds' }
  /** A key or a trigger refuses it: SQLSTATE 23503 or another of its class. */
  | { kind: 'dangling' }
  /** 42501, or an error of the arguments; in any case nothing comes of it. */
  | { kind: 'denied' }
  /** No rows, or one that is all null, and nothing written. */
  | { kind: 'nothing' }
  /** Whatever the values lead to, within what holds for all cases. */
  | { kind: 'open' }

export interface Case {
  /** `schema.name` of the relation, or with its arguments' types of the function. */
  object: string
  actor: Actor | 'owner'
  verb: Verb
  target: Target
  /** What distinguishes it from its like, for a person who reads a finding. */
  note: string
  sql: string
  reads: boolean
  /** Text the actor sent: values in it are no news to them. */
  sent: string
  expected: Expected
  /** Of a function. */
  args?: Readonly<Record<string, Value>>
}

export interface Finding {
  /** The rule that was broken: the title of a test. */
  rule: Rule
  object: string
  actor: string
  message: string
}
