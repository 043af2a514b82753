import { eventStream, json } from './raw-http.ts'
import { type RawScript, type RawStep, RESET, STALL } from './raw-provider.ts'

/**
 * What an OpenAI-compatible provider may do wrong, byte by byte, and the one true end of each: a
 * table for any gateway, whose runner says how its own ends are looked up. A rule is the row's name
 * after "a provider that".
 */
export interface FaultRow {
  /** What the provider does, from the first request on; one script for all, or one per request. */
  script: RawScript | ((index: number) => RawScript)
  end: TrueEnd
}

export interface TrueEnd {
  /** The error the client is told; null: the answer is whole. */
  error: string | null
  /** What is kept of the answer; null: no message at all. */
  text: string | null
  /** How often the provider is asked. */
  calls: number
  /** Faults in a row that are counted against the provider in the end. */
  faults: number
  /** On what the charge is based: the provider's counts, an estimate, or nothing was used. */
  charge: 'counted' | 'estimated' | 'nothing'
  /** The answer's finish reason. */
  finish?: string
}

export const frame = (delta: object, rest: object = {}) =>
  `data: ${JSON.stringify({ id: 'gen-1', model: 'm', choices: [{ index: 0, delta, ...rest }] })}\n\n`
export const says = (content: string) => frame({ content })
export const finishes = (finish_reason = 'stop') => frame({}, { finish_reason })
export const counts = `data: ${JSON.stringify({ id: 'gen-1', choices: [], usage: { prompt_tokens: 40, completion_tokens: 7 } })}\n\n`
export const done = 'data: [DONE]\n\n'
export const inBand = (error: unknown) => `data: ${JSON.stringify({ error })}\n\n`
/** It is in every script that has words of the provider's own, and must never come out. */
export const hidden = 'words of the provider that no client may see'

export const half = [says('Grüße '), says('😀')]
export const kept = 'Grüße 😀'
export const wholeAnswer = [...half, finishes(), counts, done]
export const whole: TrueEnd = {
  error: null,
  text: kept,
  calls: 1,
  faults: 0,
  charge: 'counted',
  finish: 'stop',
}
export const uncounted: TrueEnd = { ...whole, charge: 'estimated' }

/** Broke after some text: told once, never repeated, what came is kept and charged. */
export const broke = (error: string): TrueEnd => ({
  error,
  text: kept,
  calls: 1,
  faults: 1,
  charge: 'estimated',
})
/** Failed before any text, twice: nothing is kept or charged, and both calls count. */
export const failed = (error: string): TrueEnd => ({
  error,
  text: null,
  calls: 2,
  faults: 2,
  charge: 'nothing',
})
/** Not the provider's fault: asked once, counts for no breaker. */
export const refused = (error: string): TrueEnd => ({ ...failed(error), calls: 1, faults: 0 })
/** Failed once and was asked again; the success is counted last, so no fault is left. */
export const recovered: TrueEnd = { ...whole, calls: 2 }

export const truncated = 'provider_stream_truncated'
export const malformed = 'provider_malformed_response'

export const cut = (pieces: readonly string[], bytes: number) =>
  eventStream(pieces, { cutAt: bytes })
export const bytesOf = (pieces: readonly string[]) => Buffer.byteLength(pieces.join(''))
export const silent = (pieces: readonly (string | Uint8Array)[]): RawStep[] => [
  ...eventStream(pieces).slice(0, -1),
  STALL,
]
export const comments = Array.from({ length: 60 }, () => [
  { delayMs: 100 },
  '9\r\n: alive\n\n\r\n',
]).flat()
export const reset = (pieces: readonly string[]): RawStep[] => [
  ...eventStream(pieces).slice(0, -1),
  { delayMs: 50 },
  RESET,
]
export const error = (status: number, headers = {}, body: object = { message: hidden }) => [
  json(status, { error: body }, headers),
]
export const thenWhole = (script: RawScript) => (index: number) =>
  index === 0 ? script : eventStream(wholeAnswer)
export const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toUTCString()
