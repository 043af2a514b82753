import { isWorker, processesUnder } from './processes.ts'

/** The memory of one process over its life. */
export interface Life {
  readonly name: string
  readonly pid: number
  /** Milliseconds, and resident memory in MB. */
  readonly samples: { readonly at: number; readonly megabytes: number }[]
}

/** A life shorter than this is not judged: it is warming up. */
export const judgedAfter = 60_000
/** How much larger the last third of a life may be than the one after its warm-up. */
export const allowed = { factor: 1.2, megabytes: 24 }

/** Looks at the gateway and the workers every two seconds. */
export function watchMemory(gateway: number): { lives: Life[]; stop(): void } {
  const lives: Life[] = []
  const timer = setInterval(() => {
    const at = Date.now()
    for (const row of processesUnder(process.pid)) {
      const name = row.pid === gateway ? 'gateway' : isWorker(row) ? 'worker' : null
      if (name === null) continue
      let life = lives.find(({ pid }) => pid === row.pid)
      if (life === undefined) lives.push((life = { name, pid: row.pid, samples: [] }))
      life.samples.push({ at, megabytes: row.megabytes })
    }
  }, 2_000)
  return { lives, stop: () => clearInterval(timer) }
}

export interface Growth {
  readonly name: string
  readonly seconds: number
  /** MB, medians of the second and of the last third. */
  readonly before: number
  readonly after: number
  readonly isFlat: boolean
}

/** What each life that is long enough has grown by. */
export function growthOf(lives: readonly Life[]): Growth[] {
  return lives.flatMap(({ name, samples }) => {
    const [first, last] = [samples[0], samples.at(-1)]
    if (!first || !last || last.at - first.at < judgedAfter) return []
    const third = Math.floor(samples.length / 3)
    const before = median(samples.slice(third, 2 * third).map(({ megabytes }) => megabytes))
    const after = median(samples.slice(-third).map(({ megabytes }) => megabytes))
    const isFlat = after <= before * allowed.factor + allowed.megabytes
    return [{ name, seconds: (last.at - first.at) / 1000, before, after, isFlat }]
  })
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
