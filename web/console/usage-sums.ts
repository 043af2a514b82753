/** What one row of usage says: of a person and a day, or of an answer. */
export interface Used {
  readonly day?: string
  readonly user_id?: string
  readonly executions: number
  readonly input_tokens: number | null
  readonly output_tokens: number | null
  readonly cost_usd: number | null
}

export interface Sum {
  readonly name: string
  readonly executions: number
  readonly tokens: number
  /** Null: no answer of these has a known cost. */
  readonly cost: number | null
}

/** Adds rows up by a name, in the order in which the names appear. */
export function addUp<Row extends Used>(rows: readonly Row[], nameOf: (row: Row) => string): Sum[] {
  const sums = new Map<string, Sum>()
  for (const row of rows) {
    const name = nameOf(row)
    const { executions = 0, tokens = 0, cost = null } = sums.get(name) ?? {}
    sums.set(name, {
      name,
      executions: executions + row.executions,
      tokens: tokens + (row.input_tokens ?? 0) + (row.output_tokens ?? 0),
      cost: row.cost_usd === null ? cost : (cost ?? 0) + row.cost_usd,
    })
  }
  return [...sums.values()]
}

/** The last days of UTC, today included, the earliest first. */
export function everyDay(days: number, now: Date): string[] {
  return Array.from({ length: days }, (_, index) => {
    const day = now.getTime() - (days - 1 - index) * 86_400_000
    return new Date(day).toISOString().slice(0, 10)
  })
}
