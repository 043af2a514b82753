import { describe, expect, it } from 'vitest'
import { maxAnswerLength } from '../../../supabase/functions/_shared/executions/run.ts'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import { fakeModels, helloAnswer, routeStep } from '../../support/agents/agents-fixture.ts'
import { failing, run } from './run-support.ts'

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
