import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import type { Outcome } from '../../../supabase/functions/_shared/executions/execution.ts'
import type { Models } from '../../../supabase/functions/_shared/executions/models.ts'
import {
  maxAnswerLength,
  runExecution,
} from '../../../supabase/functions/_shared/executions/run.ts'
import type { LogEntry } from '../../../supabase/functions/_shared/log/log.ts'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import type { ModelEvent } from '../../../supabase/functions/_shared/models/model-protocol.ts'
import type { Clock } from '../../../supabase/functions/_shared/time.ts'
import {
  begunExecution,
  fakeClock,
  fakeDatabase,
  fakeModels,
  helloAnswer,
  routeStep,
  stoppedClock,
  storedEnd,
  withoutEvents,
} from '../../support/agents/agents-fixture.ts'

async function run(
  models: Models,
  options: {
    answers?: Parameters<typeof fakeDatabase>[0]
    clock?: Clock
    execution?: Parameters<typeof begunExecution>[0]
    shutdown?: AbortSignal
  } = {},
) {
  const { admin, outcomes, calls } = fakeDatabase(options.answers)
  const written: string[] = []
  const entries: LogEntry[] = []
  const events: ModelEvent[] = []
  const deps = {
    admin,
    models,
    clock: options.clock ?? stoppedClock,
    random: () => 0,
    ...(options.shutdown && { shutdown: options.shutdown }),
    log: (entry: LogEntry) => entries.push(entry),
  }
  const stored = await runExecution(deps, begunExecution(options.execution), {
    stream: true,
    write: (text) => written.push(text),
    onEvents: (batch) => events.push(...batch),
  }).catch((error: unknown) => error)
  const ends = outcomes()
  return { stored, ends, outcomes: ends.map(withoutEvents), calls, entries, events, written }
}

/** Answers the first batches and then fails. */
const failing = (batches: number, error: unknown) =>
  fakeModels(async function* () {
    yield* helloAnswer.slice(0, batches)
    throw error
  })

describe('an execution', () => {
  it('that succeeds is stored once, with its answer, usage and times', async () => {
    const { outcomes, events } = await run(fakeModels())
    expect(outcomes).toEqual([
      {
        status: 'success',
        content: 'Hello there',
        finish_reason: 'stop',
        provider_request_id: 'gen-1',
        input_tokens: 3,
        output_tokens: 2,
        total_tokens: 5,
        model_id: 'first',
        first_chunk_ms: 0,
        latency_ms: 0,
      },
    ])
    expect(events).toEqual(helloAnswer.flat())
  })

  it('keeps the parts of an answer that is more than text', async () => {
    const metadata = { provider: 'vertex-ai', model: 'm', signature: 's' }
    const usual = helloAnswer.slice(-1)
    const { outcomes: thoughtful } = await run(
      fakeModels([
        [{ type: 'reasoning', text: 'Hm.' }],
        [
          { type: 'text', text: 'Hel' },
          { type: 'text', text: 'lo' },
        ],
        ...usual,
      ]),
    )
    expect(thoughtful).toMatchObject([
      {
        content: 'Hello',
        parts: [
          { type: 'reasoning', text: 'Hm.' },
          { type: 'text', text: 'Hello' },
        ],
      },
    ])
    const { outcomes: signed } = await run(
      fakeModels([[{ type: 'text', text: 'Hello', metadata }], ...usual]),
    )
    expect(signed).toMatchObject([
      { parts: [{ type: 'text', text: 'Hello', provider_metadata: metadata }] },
    ])
  })

  it('asks the model with the prompts, history and parameters of the execution', async () => {
    let asked: unknown
    const models = fakeModels(async function* (step, request, options) {
      asked = { step, request, stream: options.stream }
      yield* helloAnswer
    })
    await run(models, { execution: { params: { temperature: 1 } } })
    expect(asked).toEqual({
      step: routeStep('first'),
      stream: true,
      request: {
        model: 'maker/first',
        config: {},
        systemPrompts: ['Be brief.'],
        messages: [{ role: 'user', content: 'Hello', parts: null }],
        params: { temperature: 1 },
      },
    })
  })

  it('that the provider cuts is failed, with what had arrived', async () => {
    const cut = Object.assign(new ModelError('provider_stream_truncated'), { outputSeen: true })
    const { outcomes, stored } = await run(failing(1, cut))
    expect(outcomes).toEqual([
      {
        status: 'failed',
        content: 'Hello',
        provider_request_id: 'gen-1',
        error_code: 'provider_stream_truncated',
        error_message: 'The answer of the model provider was cut off. Ask again.',
        fault: 'provider',
        model_id: 'first',
        first_chunk_ms: 0,
        latency_ms: 0,
      },
    ])
    expect(stored).toMatchObject({ status: 'failed' })
  })

  it('without a finish reason is failed, however orderly it ended', async () => {
    const { outcomes } = await run(fakeModels(helloAnswer.slice(0, 2)))
    expect(outcomes).toMatchObject([{ status: 'failed', error_code: 'provider_stream_truncated' }])
  })

  it('that fails by a defect of ours is failed too, and its cause stays in the log', async () => {
    const { outcomes, entries } = await run(failing(1, new TypeError('the defect')))
    expect(outcomes).toMatchObject([
      { status: 'failed', error_code: 'internal_error', fault: 'platform', content: 'Hello' },
    ])
    expect(JSON.stringify(outcomes)).not.toContain('the defect')
    expect(entries).toMatchObject([{ event: 'execution_failed', code: 'internal_error' }])
    expect(entries[0]?.detail).toContain('the defect')
  })

  it('tells the fault, so that the caller’s own never counts against the provider', async () => {
    for (const code of ['provider_rejected_request', 'provider_unauthorized'] as const) {
      const error = new ModelError(code)
      const { outcomes } = await run(failing(0, error))
      expect(outcomes).toMatchObject([{ error_code: code, fault: error.fault }])
      expect(error.fault).not.toBe('provider')
    }
  })

  it('falls back before the first output, and says which model answered', async () => {
    const models = fakeModels(async function* (step) {
      if (step.name === 'first') throw new ModelError('provider_model_not_found')
      yield* helloAnswer
    })
    const execution = { route: [routeStep('first'), routeStep('second')] }
    const { outcomes, entries } = await run(models, { execution })
    expect(outcomes).toMatchObject([{ status: 'success', model_id: 'second' }])
    expect(entries).toMatchObject([
      { event: 'model_call_repeated', code: 'provider_model_not_found' },
    ])
  })

  it('never falls back after output: two answers are never mixed', async () => {
    const called: string[] = []
    const models = fakeModels(async function* (step) {
      called.push(step.name)
      yield* helloAnswer.slice(0, 1)
      throw new ModelError('provider_error')
    })
    const execution = { route: [routeStep('first'), routeStep('second')] }
    const { outcomes } = await run(models, { execution })
    expect(called).toEqual(['first'])
    expect(outcomes).toMatchObject([{ status: 'failed', content: 'Hello', model_id: 'first' }])
  })

  it('that never ends is stopped', async () => {
    const text = 'x'.repeat(maxAnswerLength / 4)
    const models = fakeModels(async function* () {
      for (;;) yield [{ type: 'text', text }]
    })
    const { outcomes } = await run(models)
    expect(outcomes).toMatchObject([
      { status: 'failed', error_code: 'provider_malformed_response' },
    ])
    expect(outcomes[0]?.content?.length).toBeLessThanOrEqual(maxAnswerLength + text.length)
  })
})

describe('storing the end', () => {
  const unavailable = () => new AppError('database_unavailable')

  it('is tried again while the database is away', async () => {
    let failures = 2
    const clock = fakeClock()
    const { outcomes, stored } = await run(fakeModels(), {
      clock,
      answers: {
        renew_execution_lease: () => 'running',
        finish_execution: ({ outcome }) => {
          if (failures-- > 0) throw unavailable()
          return storedEnd(outcome as Outcome)
        },
      },
    })
    expect(stored).toMatchObject({ status: 'success' })
    expect(outcomes).toHaveLength(3)
    expect(new Set(outcomes.map((outcome) => JSON.stringify(outcome))).size).toBe(1)
  })

  it('is given up after four tries: the lease then ends the execution', async () => {
    const { outcomes, stored } = await run(fakeModels(), {
      clock: fakeClock(),
      answers: {
        finish_execution: () => {
          throw unavailable()
        },
      },
    })
    expect(stored).toMatchObject({ code: 'database_unavailable' })
    expect(outcomes).toHaveLength(4)
  })

  it('is not repeated when it was refused', async () => {
    const { outcomes, stored } = await run(fakeModels(), {
      answers: {
        finish_execution: () => {
          throw new AppError('invalid_request')
        },
      },
    })
    expect(stored).toMatchObject({ code: 'invalid_request' })
    expect(outcomes).toHaveLength(1)
  })
})

describe('a worker that is about to be ended', () => {
  it('stores what it has, as interrupted, and stops the model', async () => {
    const shutdown = new AbortController()
    const models = fakeModels(async function* (_step, _request, { signal }) {
      yield* helloAnswer.slice(0, 1)
      shutdown.abort()
      signal.throwIfAborted()
    })
    const { ends, written } = await run(models, { shutdown: shutdown.signal })
    expect(ends).toMatchObject([
      { status: 'failed', error_code: 'interrupted', content: 'Hello', events_seq: 1 },
    ])
    expect(written.at(-1)).toContain('"errorText":"interrupted: ')
  })
})

describe('the lease', () => {
  /** A model that answers so many batches and then nothing until it is aborted. */
  const waitingAfter = (batches: number) =>
    fakeModels(async function* (_step, _request, { signal }) {
      yield* helloAnswer.slice(0, batches)
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      })
    })
  const waiting = waitingAfter(1)

  it('is renewed while the model answers, and only then', async () => {
    const statuses = ['running', 'running', 'cancelled']
    const { calls } = await run(waitingAfter(0), {
      clock: fakeClock(),
      answers: { renew_execution_lease: () => statuses.shift() },
    })
    expect(calls.map(({ role, name }) => `${role} ${name}`)).toEqual([
      'service_role renew_execution_lease',
      'service_role renew_execution_lease',
      'service_role renew_execution_lease',
      'service_role finish_execution',
    ])
  })

  it('that is over because someone cancelled stops the model and keeps what had arrived', async () => {
    for (const status of ['cancelling', 'cancelled']) {
      const { outcomes, entries } = await run(waiting, {
        clock: fakeClock(),
        answers: { renew_execution_lease: () => status },
      })
      expect(outcomes).toMatchObject([{ status: 'cancelled', content: 'Hello' }])
      // Nobody has to look at it: the log says what was asked for, not a defect of ours.
      expect(entries).toMatchObject([{ level: 'info', code: 'execution_cancelled' }])
    }
  })

  it('that ran out ends the execution as interrupted', async () => {
    for (const status of ['failed', null]) {
      const { outcomes, entries } = await run(waiting, {
        clock: fakeClock(),
        answers: { renew_execution_lease: () => status },
      })
      expect(entries).toMatchObject([{ level: 'warn', code: 'interrupted' }])
      expect(outcomes).toMatchObject([
        { status: 'failed', error_code: 'interrupted', fault: 'platform' },
      ])
    }
  })

  it('goes on after a renewal that failed', async () => {
    const answers: (() => string)[] = [
      () => {
        throw new AppError('database_unavailable')
      },
      () => 'running',
      () => 'cancelled',
    ]
    const { outcomes, entries } = await run(waiting, {
      clock: fakeClock(),
      answers: { renew_execution_lease: () => answers.shift()?.() },
    })
    expect(outcomes).toMatchObject([{ status: 'cancelled' }])
    expect(entries[0]).toMatchObject({ event: 'events_not_stored', code: 'database_unavailable' })
  })
})
