/** What a row reads like, as far as a client has said; null: it is not there. */
export type RowState = Readonly<Record<string, unknown>> | null

/** How a write went, as its client knows: only the first of these is a promise of the server. */
export type WriteEnd = 'done' | 'refused' | 'unknown'

/** A row that one client alone writes. */
export interface OwnRow {
  readonly schema: 'public' | 'client_mgmt' | 'conversation'
  readonly table: string
  readonly key: Readonly<Record<string, string | number>>
  readonly organizationId: number
  /** What it may read like at the end: one state, or two after a write whose end nobody knows. */
  states: RowState[]
  /** No more writes: one without an answer may still arrive. */
  abandoned: boolean
}

/** Every row that clients wrote, and what each has to read like. */
export class Acknowledged {
  readonly rows: OwnRow[] = []

  add(row: Pick<OwnRow, 'schema' | 'table' | 'key' | 'organizationId'>, state: RowState): OwnRow {
    const kept: OwnRow = { ...row, states: [state], abandoned: false }
    this.rows.push(kept)
    return kept
  }

  /** Writes a new state of a row, and keeps what its end promises. */
  async write(row: OwnRow, state: RowState, send: () => Promise<WriteEnd>): Promise<WriteEnd> {
    const before = row.states
    row.states = [...before, state]
    const end = await send()
    if (end === 'done') row.states = [state]
    else if (end === 'refused') row.states = before
    else row.abandoned = true
    return end
  }
}

/** Whether a row, as read, is in a state. */
export function isInState(found: Record<string, unknown> | undefined, state: RowState): boolean {
  if (state === null || found === undefined) return state === null && found === undefined
  return Object.entries(state).every(
    ([column, value]) => JSON.stringify(found[column]) === JSON.stringify(value),
  )
}
