import { cpuOf } from './cpu.ts'
import { median, timeOf } from './support.ts'

/** One way to get the same stream, and how to tell its first words and its end. */
export interface Target {
  ask: () => Promise<Response>
  first: string
  end: string
}

/** Milliseconds until the first words; the rest is read too, and must be whole. */
export async function timeToFirstChunk({ ask, first, end }: Target): Promise<number> {
  const start = performance.now()
  const response = await ask()
  if (!response.ok || response.body === null) {
    throw new Error(`${response.status}: ${await response.text()}`)
  }
  let time: number | undefined
  let tail = ''
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    // What is looked for may be split between two reads.
    tail = tail.slice(-200) + chunk
    if (time === undefined && tail.includes(first)) time = performance.now() - start
  }
  if (time === undefined || !tail.includes(end)) throw new Error(`not a whole stream: ${tail}`)
  return time
}

export interface Load {
  /** Streams per second. */
  rate: number
  /** Median of the milliseconds until the first words. */
  first: number
}

/** Reads `total` streams, `atOnce` at a time. */
export async function loadOf(target: Target, total: number, atOnce: number): Promise<Load> {
  const firsts: number[] = []
  let left = total
  const worker = async (): Promise<void> => {
    while ((left -= 1) >= 0) firsts.push(await timeToFirstChunk(target))
  }
  const time = await timeOf(() => Promise.all(Array.from({ length: atOnce }, worker)))
  return { rate: (total / time) * 1000, first: median(firsts) }
}

export interface Measured extends Load {
  /** CPU milliseconds of the gateway's process per stream. */
  cpu: number
}

/** The same, and what it costs the process of the gateway. */
export async function measuredLoad(
  pid: number,
  target: Target,
  total: number,
  atOnce: number,
): Promise<Measured> {
  const before = cpuOf(pid)
  const load = await loadOf(target, total, atOnce)
  return { ...load, cpu: (cpuOf(pid) - before) / total }
}
