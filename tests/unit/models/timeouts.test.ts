import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { completeModel } from '../../../supabase/functions/_shared/models/complete-model.ts'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import type { TakeEvents } from '../../../supabase/functions/_shared/models/model-protocol.ts'
import { streamModel } from '../../../supabase/functions/_shared/models/stream-model.ts'
import { eventStream, head } from '../../support/agents/raw-http.ts'
import { type RawProvider, STALL, startRawProvider } from '../../support/agents/raw-provider.ts'
import { ManualClock } from '../../support/clocks.ts'
import { delta, doneFrame, finishFrame, openRouterFrames } from './recorded.ts'
import { collect, encode, fetchOf, openRouter, request } from './support.ts'

let provider: RawProvider
beforeAll(async () => {
  provider = await startRawProvider()
})
afterAll(() => provider.close())

const timeouts = {
  connectMs: 1_000,
  firstTokenMs: 5_000,
  betweenTokensMs: 2_000,
  trailerMs: 500,
  completeMs: 9_000,
  totalMs: 30_000,
}
const EMPTY_DELTA = 'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'

/**
 * A body whose chunks the test sends: `reading` resolves when the reader waits for more, so that
 * the clock moves at a known point.
 */
function manualBody(): {
  fetch: typeof fetch
  reading(): Promise<void>
  send(text: string): void
} {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  let wake: () => void = () => undefined
  let waiting = false
  return {
    fetch: (_, init) => {
      const body = new ReadableStream<Uint8Array>(
        {
          start(own) {
            controller = own
            init?.signal?.addEventListener('abort', () => own.error(init.signal?.reason))
          },
          pull() {
            waiting = true
            wake()
          },
        },
        { highWaterMark: 0 },
      )
      const headers = { 'content-type': 'text/event-stream' }
      return Promise.resolve(new Response(body, { headers }))
    },
    async reading() {
      while (!waiting) await new Promise<void>((resolve) => (wake = resolve))
      waiting = false
    },
    send(text) {
      controller?.enqueue(encode(text))
    },
  }
}

describe('time-outs of a stream', () => {
  it('end a connection that never answers', async () => {
    provider.respond([STALL])
    const clock = new ManualClock()
    const outcome = collect(openRouter(provider.url), { clock, timeouts })
    const asked = await provider.nextRequest()
    clock.advance(timeouts.connectMs - 1)
    clock.advance(1)
    expect((await outcome).error).toMatchObject({ code: 'provider_timeout', fault: 'provider' })
    await asked.closed
    expect(clock.timers).toBe(0)
  })

  it('count neither comments nor empty deltas as a first token', async () => {
    const clock = new ManualClock()
    const body = manualBody()
    const outcome = collect(openRouter('http://x'), { clock, timeouts, fetch: body.fetch })
    for (let count = 0; count < 4; count += 1) {
      await body.reading()
      clock.advance(1_200)
      body.send(count % 2 === 0 ? ': OPENROUTER PROCESSING\n\n' : EMPTY_DELTA)
    }
    await body.reading()
    clock.advance(200)
    const { error, batches } = await outcome
    // It may think for long because it was asked to: no reason to pause the model for all.
    const expected = { code: 'provider_timeout', fault: 'platform', outputSeen: false }
    expect(error).toMatchObject(expected)
    expect(batches).toEqual([])
  })

  it('call silence between tokens a stall, however many comments fill it', async () => {
    const clock = new ManualClock()
    const body = manualBody()
    const outcome = collect(openRouter('http://x'), { clock, timeouts, fetch: body.fetch })
    await body.reading()
    clock.advance(4_000)
    body.send(delta('Grüße'))
    await body.reading()
    clock.advance(1_500)
    body.send(': still here\n\n')
    await body.reading()
    clock.advance(499)
    body.send(EMPTY_DELTA)
    await body.reading()
    clock.advance(1)
    const { error, answer } = await outcome
    expect(error).toMatchObject({ code: 'provider_stalled', outputSeen: true, retryable: false })
    expect(answer.content).toBe('Grüße')
  })

  it('start again with every token', async () => {
    const clock = new ManualClock()
    const body = manualBody()
    const outcome = collect(openRouter('http://x'), { clock, timeouts, fetch: body.fetch })
    for (let count = 0; count < 5; count += 1) {
      await body.reading()
      clock.advance(1_999)
      body.send(delta('x'))
    }
    await body.reading()
    body.send(finishFrame + doneFrame)
    await body.reading()
    clock.advance(10_000)
    expect(await outcome).toMatchObject({ error: null, answer: { content: 'xxxxx' } })
  })

  it('end a stream that never pauses, and keep what it said', async () => {
    const clock = new ManualClock()
    const body = manualBody()
    const outcome = collect(openRouter('http://x'), { clock, timeouts, fetch: body.fetch })
    const step = timeouts.betweenTokensMs - 500
    const steps = timeouts.totalMs / step
    for (let count = 0; count < steps; count += 1) {
      await body.reading()
      body.send(delta('x'))
      await body.reading()
      clock.advance(count < steps - 1 ? step : step - 1)
      body.send(': still here\n\n')
    }
    await body.reading()
    clock.advance(1)
    const { error, answer } = await outcome
    // A long answer is its caller's to ask for, and no reason to pause the model for all.
    expect(error).toMatchObject({ code: 'provider_timeout', fault: 'caller', outputSeen: true })
    expect(answer.content).toBe('x'.repeat(steps))
    expect(clock.timers).toBe(0)
  })

  it('let an answer end without its usage when nothing follows the finish reason', async () => {
    const clock = new ManualClock()
    const body = manualBody()
    const outcome = collect(openRouter('http://x'), { clock, timeouts, fetch: body.fetch })
    await body.reading()
    body.send(delta('Grüße') + finishFrame)
    await body.reading()
    clock.advance(400)
    body.send(': still here\n\n')
    await body.reading()
    clock.advance(100)
    const { error, answer } = await outcome
    expect(error).toBeNull()
    expect(answer.finish?.reason).toBe('stop')
    expect(answer.usage).toBeNull()
  })

  it('end an answer that is not streamed', async () => {
    provider.respond([head(200, { 'content-type': 'application/json' }), ' ', STALL])
    const clock = new ManualClock()
    const answer = completeModel(openRouter(provider.url), request, { clock, timeouts })
    const asked = await provider.nextRequest()
    clock.advance(timeouts.completeMs)
    // Long answers are the caller's to ask for; the breaker is everyone's.
    await expect(answer).rejects.toMatchObject({ code: 'provider_timeout', fault: 'caller' })
    await asked.closed
  })

  it('hold for an answer that is not streamed too, whatever else it may take', async () => {
    provider.respond([head(200, { 'content-type': 'application/json' }), ' ', STALL])
    const clock = new ManualClock()
    const patient = { ...timeouts, completeMs: 90_000 }
    const answer = completeModel(openRouter(provider.url), request, { clock, timeouts: patient })
    await provider.nextRequest()
    clock.advance(timeouts.totalMs)
    await expect(answer).rejects.toMatchObject({ code: 'provider_timeout', fault: 'caller' })
  })
})

describe('the caller’s abort signal', () => {
  it('ends the request at the provider at once and rejects with its reason', async () => {
    provider.respond([...eventStream([delta('Grüße')]).slice(0, -1), STALL])
    const controller = new AbortController()
    const { signal } = controller
    let take: TakeEvents = () => undefined
    const first = new Promise((resolve) => (take = resolve))
    const stream = streamModel(openRouter(provider.url), request, take, { signal })
    expect(await first).toMatchObject([{ type: 'start' }, { type: 'text', text: 'Grüße' }])
    const asked = await provider.nextRequest()
    const reason = new Error('cancelled by the user')
    controller.abort(reason)
    await expect(stream).rejects.toBe(reason)
    await asked.closed
  })

  it('works before the answer, and sends nothing when it came first', async () => {
    provider.respond([STALL])
    const controller = new AbortController()
    const reason = new Error('gone')
    const outcome = collect(openRouter(provider.url), { signal: controller.signal })
    const asked = await provider.nextRequest()
    controller.abort(reason)
    expect((await outcome).error).toBe(reason)
    await asked.closed
    const before = provider.journal.length
    const late = await collect(openRouter(provider.url), { signal: controller.signal })
    expect(late.error).toBe(reason)
    expect(provider.journal).toHaveLength(before)
  })

  it('leaves no listener behind', async () => {
    const controller = new AbortController()
    const { signal } = controller
    let listeners = 0
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1
      add(...args)
    }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1
      remove(...args)
    }
    const options = { signal, fetch: fetchOf(openRouterFrames.map(encode)) }
    expect((await collect(openRouter('http://x'), options)).error).toBeNull()
    expect(listeners).toBe(0)
  })
})

describe('a consumer that has had enough', () => {
  it('ends the request at the provider by throwing', async () => {
    provider.respond([...eventStream([delta('Grüße')]).slice(0, -1), STALL])
    const enough = new Error('enough')
    const stream = streamModel(openRouter(provider.url), request, () => {
      throw enough
    })
    await expect(stream).rejects.toBe(enough)
    const asked = await provider.nextRequest()
    await asked.closed
  })
})

describe('a defect of ours', () => {
  it('is not blamed on the provider', async () => {
    const adapter = openRouter('http://x')
    const defect = new RangeError('a defect')
    const broken = { ...adapter, prepare: () => Promise.reject(defect) }
    const { error } = await collect(broken)
    expect(error).toBe(defect)
    expect(error).not.toBeInstanceOf(ModelError)
  })
})
