/** One way to break the database, applied inside a transaction that is rolled back. */
export interface Mutant {
  /** What is broken, and how; unique. */
  name: string
  kind: MutantKind
  sql: string
  /** Puts it right again where it cannot be rolled back. */
  undo?: string
  /** Relations and functions, by id, whose cases are the likeliest to notice. */
  objects: readonly string[]
}

export type MutantKind =
  | 'policy dropped'
  | 'policy opened'
  | 'condition of a policy removed'
  | 'grant added'
  | 'trigger disabled'
  | 'trigger function emptied'
  | 'foreign key dropped'
  | 'unique key across tenants'
  | 'row-level security off'
  | 'row-level security not forced'
  | 'view reads as its owner'
  | 'check of the caller removed'
  | 'tenant of a function removed'
  | 'condition of a function removed'
  | 'search_path opened'
  | 'function executable by others'
  | 'seeded defect'
