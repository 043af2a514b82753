/** A message, and what it follows. */
export interface BranchRow {
  readonly id: string
  readonly parent_id: string | null
  readonly role: string
}

/** Where a message stands among those that follow the same one. */
export interface Branch {
  /** Counted from 1. */
  readonly place: number
  readonly count: number
  /** The last message of the branch before, and of the one after; null at the ends. */
  readonly before: string | null
  readonly after: string | null
}

/**
 * The messages that have others beside them: answers to one question, or versions of one question.
 * @param rows all messages of a conversation, the oldest first
 */
export function findBranches(rows: readonly BranchRow[]): ReadonlyMap<string, Branch> {
  const children = groupBy(rows, ({ parent_id }) => parent_id)
  const endOf = (row: BranchRow | undefined): string | null => {
    let end = row
    for (let next = end; next; next = children.get(next.id)?.at(-1)) end = next
    return end?.id ?? null
  }
  const branches = new Map<string, Branch>()
  for (const all of children.values()) {
    for (const siblings of groupBy(all, ({ role }) => role).values()) {
      if (siblings.length < 2) continue
      siblings.forEach(({ id }, index) =>
        branches.set(id, {
          place: index + 1,
          count: siblings.length,
          before: endOf(siblings[index - 1]),
          after: endOf(siblings[index + 1]),
        }),
      )
    }
  }
  return branches
}

function groupBy<Row, Key>(rows: readonly Row[], keyOf: (row: Row) => Key): Map<Key, Row[]> {
  const groups = new Map<Key, Row[]>()
  for (const row of rows) {
    const group = groups.get(keyOf(row))
    if (group) group.push(row)
    else groups.set(keyOf(row), [row])
  }
  return groups
}
