import { eventStream, head, json } from './raw-http.ts'
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
const says = (content: string) => frame({ content })
const finishes = (finish_reason = 'stop') => frame({}, { finish_reason })
const counts = `data: ${JSON.stringify({ id: 'gen-1', choices: [], usage: { prompt_tokens: 40, completion_tokens: 7 } })}\n\n`
const done = 'data: [DONE]\n\n'
const inBand = (error: unknown) => `data: ${JSON.stringify({ error })}\n\n`
/** It is in every script that has words of the provider's own, and must never come out. */
export const hidden = 'words of the provider that no client may see'

const half = [says('Grüße '), says('😀')]
const kept = 'Grüße 😀'
export const wholeAnswer = [...half, finishes(), counts, done]
const whole: TrueEnd = {
  error: null,
  text: kept,
  calls: 1,
  faults: 0,
  charge: 'counted',
  finish: 'stop',
}
const uncounted: TrueEnd = { ...whole, charge: 'estimated' }

/** Broke after some text: told once, never repeated, what came is kept and charged. */
const broke = (error: string): TrueEnd => ({
  error,
  text: kept,
  calls: 1,
  faults: 1,
  charge: 'estimated',
})
/** Failed before any text, twice: nothing is kept or charged, and both calls count. */
const failed = (error: string): TrueEnd => ({
  error,
  text: null,
  calls: 2,
  faults: 2,
  charge: 'nothing',
})
/** Not the provider's fault: asked once, counts for no breaker. */
const refused = (error: string): TrueEnd => ({ ...failed(error), calls: 1, faults: 0 })
/** Failed once and was asked again; the success is counted last, so no fault is left. */
const recovered: TrueEnd = { ...whole, calls: 2 }

const truncated = 'provider_stream_truncated'
const malformed = 'provider_malformed_response'

const cut = (pieces: readonly string[], bytes: number) => eventStream(pieces, { cutAt: bytes })
const bytesOf = (pieces: readonly string[]) => Buffer.byteLength(pieces.join(''))
const silent = (pieces: readonly (string | Uint8Array)[]): RawStep[] => [
  ...eventStream(pieces).slice(0, -1),
  STALL,
]
const comments = Array.from({ length: 60 }, () => [{ delayMs: 100 }, '9\r\n: alive\n\n\r\n']).flat()
const reset = (pieces: readonly string[]): RawStep[] => [
  ...eventStream(pieces).slice(0, -1),
  { delayMs: 50 },
  RESET,
]
const error = (status: number, headers = {}, body: object = { message: hidden }) => [
  json(status, { error: body }, headers),
]
const thenWhole = (script: RawScript) => (index: number) =>
  index === 0 ? script : eventStream(wholeAnswer)
const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toUTCString()

const cuts: Record<string, FaultRow> = {
  'is cut inside the first frame': {
    script: cut(wholeAnswer, 20),
    end: failed(truncated),
  },
  'is cut between two frames': {
    script: cut(wholeAnswer, bytesOf(half)),
    end: broke(truncated),
  },
  'is cut inside a character': {
    // The text is the last thing of its frame but for its closing brackets.
    script: cut(
      [says('Grüße 😀'), says('é')],
      bytesOf([says('Grüße 😀')]) + says('é').indexOf('é') + 1,
    ),
    end: broke(truncated),
  },
  'is cut inside the frame that would end it': {
    script: cut(wholeAnswer, bytesOf(half) + 30),
    end: broke(truncated),
  },
  'is cut before the blank line that ends the last frame': {
    script: cut(wholeAnswer, bytesOf([...half, finishes()]) - 1),
    end: broke(truncated),
  },
  'is cut after its finish reason': {
    script: cut(wholeAnswer, bytesOf([...half, finishes()])),
    end: uncounted,
  },
  'closes in order without a finish reason': {
    script: eventStream(half),
    end: broke(truncated),
  },
  'sends its end mark without a finish reason': {
    script: eventStream([...half, done]),
    end: broke(truncated),
  },
  'ends with half a frame': {
    script: eventStream([...half, finishes().slice(0, 30)]),
    end: broke(truncated),
  },
  'resets the connection before its answer': {
    script: [RESET],
    end: failed('provider_unreachable'),
  },
  'closes the connection before its answer': { script: [], end: failed('provider_unreachable') },
  'sends half a head': { script: ['HTTP/1.1 200 O'], end: failed('provider_unreachable') },
  'resets the connection after some text': { script: reset(half), end: broke(truncated) },
  'resets the connection after its finish reason': {
    script: reset([...half, finishes()]),
    end: uncounted,
  },
}

const silences: Record<string, FaultRow> = {
  'never answers': { script: [STALL], end: failed('provider_timeout') },
  'sends a head and then nothing': { script: silent([]), end: failed('provider_timeout') },
  'sends nothing but comments': {
    script: [...eventStream([]).slice(0, -1), ...comments, STALL],
    end: failed('provider_timeout'),
  },
  'sends comments and closes': {
    script: eventStream([': alive\n\n', ': alive\n\n']),
    end: failed(truncated),
  },
  'stalls after some text': { script: silent(half), end: broke('provider_stalled') },
  'goes on with comments alone after some text': {
    script: [...eventStream(half).slice(0, -1), ...comments, STALL],
    end: broke('provider_stalled'),
  },
  'stalls inside a frame': {
    script: silent([...half, finishes().slice(0, 30)]),
    end: broke('provider_stalled'),
  },
  'stalls after its finish reason': { script: silent([...half, finishes()]), end: uncounted },
}

const lies: Record<string, FaultRow> = {
  'reports an error inside a 200, before any text': {
    script: eventStream([inBand({ code: 502, message: hidden })]),
    end: failed('provider_error'),
  },
  'reports an error inside a 200, after some text': {
    script: eventStream([...half, inBand({ code: 502, message: hidden }), finishes(), done]),
    end: broke('provider_error'),
  },
  'reports an error after its finish reason': {
    script: eventStream([...half, finishes(), inBand({ code: 500, message: hidden }), done]),
    end: broke('provider_error'),
  },
  'reports being over its limit inside a 200': {
    script: eventStream([inBand({ code: 429, message: hidden })]),
    end: failed('provider_rate_limited'),
  },
  'answers a 200 with a JSON error': {
    script: error(200, {}, { code: 503, message: hidden }),
    end: failed('provider_error'),
  },
  'answers a 200 with a JSON error of our account': {
    script: error(200, {}, { code: 402, message: hidden }),
    end: refused('provider_payment_required'),
  },
  'answers a stream with a whole answer': {
    script: [json(200, { choices: [{ message: { content: 'hi' }, finish_reason: 'stop' }] })],
    end: failed(malformed),
  },
  'answers with the page of a proxy': {
    script: [head(200, { 'content-type': 'text/html' }), `<h1>${hidden}</h1>`],
    end: failed(malformed),
  },
  'sends a frame that is not JSON first': {
    script: eventStream(['data: {"choices":[{\n\n', finishes()]),
    end: failed(malformed),
  },
  'sends a frame that is not JSON after some text': {
    script: eventStream([...half, 'data: {"choices":[{\n\n', finishes(), done]),
    end: broke(malformed),
  },
  'says nothing and finishes': {
    script: eventStream([says(''), finishes(), done]),
    end: refused('provider_empty_response'),
  },
  'names its answer by what no database stores': {
    script: eventStream(wholeAnswer.map((piece) => piece.replace('gen-1', 'gen-\\u0000'))),
    end: whole,
  },
  'counts more than there can be': {
    script: eventStream([
      ...half,
      finishes(),
      counts.replace('40', String(Number.MAX_SAFE_INTEGER)).replace('}}', ',"cost":1e12}}'),
      done,
    ]),
    end: uncounted,
  },
  'ends in an error by its finish reason': {
    script: eventStream([...half, finishes('error'), done]),
    end: broke('provider_error'),
  },
}

const oddities: Record<string, FaultRow> = {
  'splits its characters between reads': {
    script: eventStream(
      Array.from(Buffer.from(wholeAnswer.join('')), (byte) => Uint8Array.of(byte)),
    ),
    end: whole,
  },
  'sends everything at once': { script: eventStream([wholeAnswer.join('')]), end: whole },
  'says its end twice': {
    script: eventStream([...half, finishes(), finishes('length'), counts, done, done]),
    end: whole,
  },
  'goes on after its end mark': {
    script: eventStream([...half, finishes(), counts, done + says('more') + 'data: {{{\n\n']),
    end: whole,
  },
  'reports no usage': { script: eventStream([...half, finishes(), done]), end: uncounted },
  'leaves out its end mark': { script: eventStream([...half, finishes(), counts]), end: whole },
  'runs out of tokens': {
    script: eventStream([...half, finishes('length'), counts, done]),
    end: { ...whole, finish: 'length' },
  },
  'filters its answer': {
    script: eventStream([...half, finishes('content_filter'), counts, done]),
    end: { ...whole, finish: 'content_filter' },
  },
}

const statuses: Record<string, FaultRow> = {
  'answers 400': { script: error(400), end: refused('provider_rejected_request') },
  'answers 401': { script: error(401), end: refused('provider_unauthorized') },
  'answers 402': { script: error(402), end: refused('provider_payment_required') },
  'answers 403': { script: error(403), end: refused('provider_unauthorized') },
  'answers 404': { script: error(404), end: refused('provider_model_not_found') },
  redirects: {
    script: [head(302, { location: 'http://127.0.0.1:9/' })],
    end: refused('provider_misconfigured'),
  },
  'answers 500': { script: error(500), end: failed('provider_error') },
  'answers 503 with a page': {
    script: [head(503, { 'content-type': 'text/html' }), `<h1>${hidden}</h1>`],
    end: failed('provider_error'),
  },
  'answers 504': { script: error(504), end: failed('provider_timeout') },
  'answers 429': { script: error(429), end: failed('provider_rate_limited') },
  'answers 429 because the account is empty': {
    script: error(429, {}, { code: 'insufficient_quota', message: hidden }),
    end: refused('provider_payment_required'),
  },
  'answers 500 once': { script: thenWhole(error(500)), end: recovered },
  'resets the connection once': { script: thenWhole([RESET]), end: recovered },
  'answers 429 once, to try again in 0 s': {
    script: thenWhole(error(429, { 'retry-after': '0' })),
    end: recovered,
  },
  'answers 429 once, to try again in 1 s': {
    script: thenWhole(error(429, { 'retry-after': '1' })),
    end: recovered,
  },
  'answers 429 once, to try again at a time': {
    script: (index) => thenWhole(error(429, { 'retry-after': inSeconds(1) }))(index),
    end: recovered,
  },
  'answers 429 once, to try again at a time that is over': {
    script: thenWhole(error(429, { 'retry-after': inSeconds(-60) })),
    end: recovered,
  },
  'answers 429 once, to try again in less than no time': {
    script: thenWhole(error(429, { 'retry-after': '-5' })),
    end: recovered,
  },
  'answers 429 once, to try again at no time that is one': {
    script: thenWhole(error(429, { 'retry-after': 'soon' })),
    end: recovered,
  },
  // Longer than anyone waits: the route ends here, and the next request finds the breaker's count.
  'answers 429, to try again in an hour': {
    script: thenWhole(error(429, { 'retry-after': '3600' })),
    end: { ...failed('provider_rate_limited'), calls: 1, faults: 1 },
  },
  'answers 429, to try again in a thousand years': {
    script: thenWhole(error(429, { 'retry-after': '31536000000' })),
    end: { ...failed('provider_rate_limited'), calls: 1, faults: 1 },
  },
}

export const faultTable: Record<string, Record<string, FaultRow>> = {
  cuts,
  silences,
  lies,
  oddities,
  statuses,
}
