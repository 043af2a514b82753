import { median } from './support.ts'

/** How fast a model speaks, and how much it says. */
export interface Pace {
  readonly perSecond: number
  readonly chunks: number
}

/** The question that asks `paced-server.ts` for a pace. */
export function questionOf({ perSecond, chunks }: Pace): string {
  return `paced ${perSecond} a second, ${chunks} chunks`
}

/** The pace that the last question in a request asks for. */
export function readPace(body: string): Pace {
  const last = [...body.matchAll(/paced (\d+) a second, (\d+) chunks/g)].at(-1)
  if (last === undefined) throw new Error('the question asks for no pace')
  return { perSecond: Number(last[1]), chunks: Number(last[2]) }
}

/** Milliseconds between the server's write of a chunk and its arrival at the client. */
export interface Delays {
  readonly first: number
  readonly later: readonly number[]
}

/** Reads one stream to its end. */
export async function readPaced(response: Response, { chunks }: Pace): Promise<Delays> {
  if (!response.ok || response.body === null) {
    throw new Error(`${response.status}: ${await response.text()}`)
  }
  const delays: number[] = []
  let tail = ''
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const now = Date.now()
    tail += text
    const times = [...tail.matchAll(/@(\d{13}) /g)]
    for (const [, time] of times) delays.push(now - Number(time))
    const last = times.at(-1)
    if (last) tail = tail.slice(last.index + last[0].length)
  }
  const [first, ...later] = delays
  if (first === undefined || delays.length !== chunks) {
    throw new Error(`${delays.length} of ${chunks} chunks came: ${tail.slice(-300)}`)
  }
  return { first, later }
}

export function summaryOf(delays: readonly Delays[]) {
  const later = delays.flatMap((stream) => stream.later)
  return {
    first: median(delays.map(({ first }) => first)),
    later: median(later),
    latest: Math.max(...later),
  }
}
