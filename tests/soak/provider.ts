import { frame, hidden } from '../support/agents/fault-rows.ts'
import { faultTable } from '../support/agents/fault-table.ts'
import { eventStream, json } from '../support/agents/raw-http.ts'
import { type RawProvider, type RawStep, startRawProvider } from '../support/agents/raw-provider.ts'
import { markerOf, markersIn } from './markers.ts'
import type { Random } from './random.ts'
import { askForTool, type ModelRequest, stepOf } from './tools.ts'

/** One request of a worker. */
export interface ProviderCall {
  /** Names the request of the client: its parameter `seed`, which is passed on. */
  readonly seed: number
  /** Which call of the model within its answer, from 0: after each step with tools comes another. */
  readonly step: number
  readonly fault: string | null
  /** Whether the answer begins to say something, after which it must not be asked for again. */
  readonly speaks: boolean
  /** The call of a tool that it asks for. */
  readonly tool: string | null
  readonly at: number
  /** When the connection was gone. */
  closedAt: number | null
}

export interface FaultyProvider {
  readonly url: string
  readonly calls: ProviderCall[]
  /** Requests that carried the texts of more than one organization. */
  readonly mixed: string[]
  /** Whether requests meet faults. */
  faulty: boolean
  close(): Promise<void>
}

const usage = { prompt_tokens: 20, completion_tokens: 10, total_tokens: 30 }
/** Share of requests that meet a fault, and of those the silences, each of which takes a minute. */
const faultShare = 0.08
const silenceShare = 0.04

/** A provider that answers at its own speed, and now and then as a row of the table of faults says. */
export async function startFaultyProvider(random: Random): Promise<FaultyProvider> {
  const raw: RawProvider = await startRawProvider()
  const calls: ProviderCall[] = []
  const provider: FaultyProvider = {
    url: raw.url,
    calls,
    mixed: [],
    faulty: false,
    close: () => raw.close(),
  }
  raw.respond((request) => {
    raw.journal.length = 0
    const body = JSON.parse(request.body) as SentRequest
    const { stream = false, seed = 0 } = body
    const markers = markersIn(request.body)
    if (markers.size !== 1) provider.mixed.push([...markers].join(' '))
    const [marker = markerOf(0)] = markers
    const fault = provider.faulty && random.chance(faultShare) ? pickFault(random, stream) : null
    const step = stepOf(body)
    const asks = fault === null && stream ? askForTool(body, marker, random) : null
    const call: ProviderCall = {
      seed,
      step,
      fault: fault?.name ?? null,
      speaks: fault === null || fault.speaks,
      tool: asks?.id ?? null,
      at: Date.now(),
      closedAt: null,
    }
    const index = calls.filter((earlier) => earlier.seed === seed && earlier.step === step).length
    calls.push(call)
    void request.closed.then(() => (call.closedAt = Date.now()))
    if (fault !== null) return fault.script(index)
    return stream
      ? (asks?.steps ?? slowStream(marker, random))
      : [{ delayMs: random.integer(5, 900) }, whole(marker)]
  })
  return provider
}

interface SentRequest extends ModelRequest {
  readonly stream?: boolean
  readonly seed?: number
}

interface Fault {
  readonly name: string
  readonly speaks: boolean
  readonly script: (index: number) => readonly RawStep[]
}

function pickFault(random: Random, stream: boolean): Fault {
  const group = !stream ? 'statuses' : random.chance(silenceShare) ? 'silences' : random.pick(loud)
  const [name, { script, end }] = random.pick(Object.entries(faultTable[group] ?? {}))
  return {
    name,
    speaks: end.text !== null && end.calls === 1,
    script: (index) => (typeof script === 'function' ? script(index) : script),
  }
}

const loud = Object.keys(faultTable).filter((group) => group !== 'silences')
export { hidden }

function slowStream(marker: string, random: Random): RawStep[] {
  const pieces = Array.from({ length: random.integer(2, 14) }, (_, index) =>
    frame({ content: index === 0 ? `${marker} answers: ` : `word ${index} ` }),
  )
  const end = `${frame({}, { finish_reason: 'stop' })}data: ${JSON.stringify({ id: 'gen-1', choices: [], usage })}\n\ndata: [DONE]\n\n`
  const pause = random.integer(20, 350)
  return eventStream([...pieces, end]).flatMap((step, index) =>
    index === 0 ? [step] : [{ delayMs: pause }, step],
  )
}

function whole(marker: string): string {
  const message = { role: 'assistant', content: `${marker} answers at once.` }
  return json(200, { id: 'gen-1', choices: [{ index: 0, message, finish_reason: 'stop' }], usage })
}
