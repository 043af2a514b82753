import {
  parseJsonEventStream,
  readUIMessageStream,
  uiMessageChunkSchema,
  type UIMessageChunk,
} from 'ai'
import { describe, expect, it } from 'vitest'
import type { FinishedExecution } from '../../../../supabase/functions/_shared/executions/execution.ts'
import { AnswerRecorder } from '../../../../supabase/functions/_shared/executions/stream/answer-recorder.ts'
import {
  beginning,
  openAfter,
} from '../../../../supabase/functions/_shared/executions/stream/ui-message-chunks.ts'
import {
  endText,
  lostEvents,
} from '../../../../supabase/functions/_shared/executions/stream/ui-message-stream.ts'
import type { ModelEvent } from '../../../../supabase/functions/_shared/models/model-protocol.ts'
import {
  begunExecution,
  eventTypes,
  readEvents,
  storedEnd,
} from '../../../support/agents/agents-fixture.ts'
import { stoppedClock } from '../../../support/clocks.ts'

const execution = begunExecution()
const answer: readonly (readonly ModelEvent[])[] = [
  [
    { type: 'start', requestId: null, model: null },
    { type: 'reasoning', text: 'Let me ' },
  ],
  [
    { type: 'reasoning', text: 'think.' },
    { type: 'text', text: 'Hel' },
  ],
  [
    { type: 'text', text: 'lo\n\ndata: "quoted" 🎈' },
    { type: 'text', text: '' },
  ],
  [{ type: 'finish', reason: 'stop', rawReason: 'STOP' }],
]
const end: FinishedExecution = storedEnd({
  status: 'success',
  finish_reason: 'stop',
  content: 'Hello',
  input_tokens: 3,
  output_tokens: 2,
  total_tokens: 5,
  latency_ms: 1,
  model_id: 'first',
})

const failed: FinishedExecution = {
  ...end,
  status: 'failed',
  error_code: 'provider_stalled',
  finish_reason: null,
}
const cancelled: FinishedExecution = {
  ...end,
  status: 'cancelled',
  error_code: 'execution_cancelled',
}

function record() {
  let text = ''
  const stored: string[] = []
  const recorder = new AnswerRecorder({
    clock: stoppedClock,
    log: { append: (chunks) => stored.push(...chunks) },
    live: true,
    write: (events) => (text += events),
  })
  recorder.start({ ...execution, route: [{ ...execution.route[0]!, name: 'first' }] })
  for (const events of answer) {
    recorder.add(events)
    recorder.flush()
  }
  recorder.end()
  return { text, stored, position: recorder.position }
}

function write(stored: FinishedExecution): string {
  const { text, position } = record()
  return text + endText(execution.execution_id, position, stored)
}

/** The stream as the AI SDK's own reader understands it. */
async function readWithAiSdk(stream: string) {
  const parsed = parseJsonEventStream({
    stream: new Blob([stream]).stream(),
    schema: uiMessageChunkSchema,
  })
  const chunks = parsed.pipeThrough(
    new TransformStream<
      { success: boolean; value?: UIMessageChunk; error?: unknown },
      UIMessageChunk
    >({
      transform(result, controller) {
        if (!result.success) throw result.error
        controller.enqueue(result.value)
      },
    }),
  )
  const errors: string[] = []
  let message: unknown
  const onError = (error: unknown) => errors.push((error as Error).message)
  for await (const next of readUIMessageStream({ stream: chunks, onError })) message = next
  return { message, errors }
}

describe('a UI message stream', () => {
  it('numbers every event from 1 without a gap', () => {
    const ids = readEvents(write(end)).map(({ id }) => id)
    expect(ids).toEqual(ids.map((_, index) => index + 1))
  })

  it('opens and closes each part around its text', () => {
    expect(eventTypes(write(end))).toEqual([
      'start',
      'start-step',
      'reasoning-start',
      'reasoning-delta',
      'reasoning-delta',
      'reasoning-end',
      'text-start',
      'text-delta',
      'text-delta',
      'text-end',
      'finish-step',
      'finish',
      '[DONE]',
    ])
  })

  it('is what the AI SDK reads as the whole message', async () => {
    const { message, errors } = await readWithAiSdk(write(end))
    expect(errors).toEqual([])
    expect(message).toMatchObject({
      id: execution.response_message_id,
      role: 'assistant',
      metadata: {
        execution_id: execution.execution_id,
        session_id: execution.session_id,
        agent: 'droid',
        model: 'first',
        usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
        finish_reason: 'stop',
        cost_usd: null,
      },
      parts: [
        { type: 'step-start' },
        { type: 'reasoning', text: 'Let me think.', state: 'done' },
        { type: 'text', text: 'Hello\n\ndata: "quoted" 🎈', state: 'done' },
      ],
    })
  })

  it('without a call of a model says that a person answers, with its code, and has no text', async () => {
    const left = { ...end, message: null, finish_reason: 'person_answers' }
    const { message, errors } = await readWithAiSdk(endText('an-execution', beginning, left))
    expect(errors).toEqual([])
    expect(message).toMatchObject({
      id: 'an-execution',
      metadata: { execution_id: 'an-execution', finish_reason: 'person_answers' },
      parts: [{ type: 'step-start' }, { type: 'data-person', data: { code: 'person_answers' } }],
    })
    expect(endText('an-execution', beginning, left, 3)).toMatch(/^id: 4\n/)
  })

  it.each([
    ['stop', 'stop'],
    ['length', 'length'],
    ['content_filter', 'content-filter'],
    ['tool_calls', 'tool-calls'],
    ['other', 'other'],
    [null, 'other'],
  ])('tells the finish reason %s in the words of the AI SDK', (finish_reason, finishReason) => {
    const stream = write({ ...end, finish_reason })
    const finish = readEvents(stream).find(
      ({ data }) => typeof data === 'object' && data.type === 'finish',
    )
    expect(finish?.data).toMatchObject({ finishReason, messageMetadata: { finish_reason } })
  })

  it('that fails has one error with code and sentence, and no finish', async () => {
    const stream = write(failed)
    expect(eventTypes(stream).slice(-3)).toEqual(['text-end', 'error', '[DONE]'])
    expect(eventTypes(stream)).not.toContain('finish')
    const { message, errors } = await readWithAiSdk(stream)
    expect(errors).toEqual([
      'provider_stalled: The model stopped in the middle of its answer. Ask again.',
    ])
    expect(message).toMatchObject({
      parts: [{}, {}, { type: 'text', text: expect.stringMatching(/^Hello/) as string }],
    })
  })

  it('that is cancelled ends with abort, and no finish', () => {
    const types = eventTypes(write(cancelled))
    expect(types.slice(-3)).toEqual(['text-end', 'abort', '[DONE]'])
    expect(types).not.toContain('finish')
  })
})

describe('the end of a stream', () => {
  it('follows from the last stored chunk, for every reader', () => {
    const { stored, position } = record()
    const last = JSON.parse(stored.at(-1) ?? '') as { type: string; id: string }
    expect({ id: stored.length, open: openAfter(last) }).toEqual(position)
    expect(position.open).toEqual({ kind: 'text', id: 'text-2' })
    expect(openAfter({ type: 'start-step' })).toBeNull()
    expect(openAfter({ type: 'reasoning-end', id: 'reasoning-1' })).toBeNull()
  })

  it('leaves out what the client has, event by event', () => {
    const { position } = record()
    const whole = readEvents(endText('x', position, end))
    for (let after = 0; after <= position.id + whole.length + 2; after += 1) {
      const rest = readEvents(endText('x', position, end, after))
      expect(rest).toEqual(whole.filter(({ id }) => id > after))
    }
  })

  it('of a dead worker is far from its events: it may have sent some that are not stored', () => {
    const { position } = record()
    const interrupted = { ...failed, error_code: 'interrupted' }
    const whole = readEvents(endText('x', position, interrupted))
    expect(whole.map(({ id }) => id - position.id)).toEqual([
      lostEvents + 1,
      lostEvents + 2,
      lostEvents + 3,
    ])
    const unstored = position.id + 40
    expect(readEvents(endText('x', position, interrupted, unstored))).toEqual(whole)
  })
})
