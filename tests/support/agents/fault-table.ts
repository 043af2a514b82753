import { eventStream, head, json } from './raw-http.ts'
import { RESET, STALL } from './raw-provider.ts'
import {
  broke,
  bytesOf,
  comments,
  counts,
  cut,
  done,
  error,
  failed,
  type FaultRow,
  finishes,
  half,
  hidden,
  inBand,
  inSeconds,
  malformed,
  recovered,
  refused,
  reset,
  says,
  silent,
  thenWhole,
  truncated,
  uncounted,
  whole,
  wholeAnswer,
} from './fault-rows.ts'

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
  // It may think for long because it was asked to: another model may answer, and no breaker counts it.
  'sends a head and then nothing': { script: silent([]), end: refused('provider_timeout') },
  'sends nothing but comments': {
    script: [...eventStream([]).slice(0, -1), ...comments, STALL],
    end: refused('provider_timeout'),
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
    end: { ...uncounted, text: 'hi' },
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
