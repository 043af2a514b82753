/** One figure beside the figure it is compared with, both in the same unit. */
export interface Comparison {
  /** What is measured, with its unit. */
  name: string
  value: number
  baseline: number
}

/** The middle value; of an even number the mean of the two in the middle. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low, high] = [sorted[middle - (sorted.length % 2 === 0 ? 1 : 0)], sorted[middle]]
  return low === undefined || high === undefined ? NaN : (low + high) / 2
}

/**
 * Runs each measurement once per round, in turns, so that whatever else the machine does falls on
 * all alike, and gives the median of each. One round before them warms up and is not counted.
 */
export async function measure<Name extends string>(
  rounds: number,
  measurements: Record<Name, () => Promise<number>>,
): Promise<Record<Name, number>> {
  const names = Object.keys(measurements) as Name[]
  const results = new Map<Name, number[]>(names.map((name) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const value = await measurements[name]()
      if (round > 0) results.get(name)?.push(value)
    }
  }
  const medians = names.map((name) => [name, median(results.get(name) ?? [])])
  return Object.fromEntries(medians) as Record<Name, number>
}

/** Prints `name  value  baseline  ratio`, one line per comparison, in columns. */
export function printComparisons(comparisons: readonly Comparison[]): void {
  const rows = comparisons.map(({ name, value, baseline }) => [
    name,
    value.toPrecision(4),
    baseline.toPrecision(4),
    (value / baseline).toFixed(3),
  ])
  const table = [['name', 'value', 'baseline', 'ratio'], ...rows]
  const width = Math.max(...table.map(([name = '']) => name.length))
  for (const [name = '', ...figures] of table) {
    console.log([name.padEnd(width), ...figures.map((figure) => figure.padStart(10))].join('  '))
  }
}

/** Milliseconds that an action takes. */
export async function timeOf(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await action()
  return performance.now() - start
}

/** Runs an action `total` times, `atOnce` at a time, and gives how many it does per second. */
export async function callsPerSecond(
  total: number,
  atOnce: number,
  action: () => Promise<unknown>,
): Promise<number> {
  let started = 0
  const worker = async (): Promise<void> => {
    while (started++ < total) await action()
  }
  const time = await timeOf(() => Promise.all(Array.from({ length: atOnce }, worker)))
  return (total / time) * 1000
}
