import {
  parseJsonEventStream,
  readUIMessageStream,
  uiMessageChunkSchema,
  type UIMessageChunk,
} from 'ai'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import type { FinishedExecution } from '../../../supabase/functions/_shared/executions/types.ts'
import { UiMessageStreamWriter } from '../../../supabase/functions/_shared/executions/ui-message-stream.ts'
import type { ModelEvent } from '../../../supabase/functions/_shared/models/types.ts'
import { begunExecution, eventTypes, readEvents, storedEnd } from '../../support/agents-fixture.ts'

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

function write(last: (writer: UiMessageStreamWriter) => string): string {
  const writer = new UiMessageStreamWriter()
  const start = writer.start(execution, 'first')
  return start + answer.map((events) => writer.answer(events)).join('') + last(writer)
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
    const ids = readEvents(write((writer) => writer.finish(end))).map(({ id }) => id)
    expect(ids).toEqual(ids.map((_, index) => index + 1))
  })

  it('opens and closes each part around its text', () => {
    expect(eventTypes(write((writer) => writer.finish(end)))).toEqual([
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
    const { message, errors } = await readWithAiSdk(write((writer) => writer.finish(end)))
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

  it.each([
    ['stop', 'stop'],
    ['length', 'length'],
    ['content_filter', 'content-filter'],
    ['tool_calls', 'tool-calls'],
    ['other', 'other'],
    [null, 'other'],
  ])('tells the finish reason %s in the words of the AI SDK', (finish_reason, finishReason) => {
    const stream = write((writer) => writer.finish({ ...end, finish_reason }))
    const finish = readEvents(stream).find(
      ({ data }) => typeof data === 'object' && data.type === 'finish',
    )
    expect(finish?.data).toMatchObject({ finishReason, messageMetadata: { finish_reason } })
  })

  it('that fails has one error with code and sentence, and no finish', async () => {
    const stream = write((writer) => writer.error(new AppError('provider_stalled')))
    expect(eventTypes(stream).slice(-3)).toEqual(['text-end', 'error', '[DONE]'])
    expect(eventTypes(stream)).not.toContain('finish')
    const { message, errors } = await readWithAiSdk(stream)
    expect(errors).toEqual(['provider_stalled: The model stopped in the middle of its answer.'])
    expect(message).toMatchObject({
      parts: [{}, {}, { type: 'text', text: expect.stringMatching(/^Hello/) as string }],
    })
  })

  it('that is cancelled ends with abort, and no finish', () => {
    const types = eventTypes(write((writer) => writer.abort('execution_cancelled')))
    expect(types.slice(-3)).toEqual(['text-end', 'abort', '[DONE]'])
    expect(types).not.toContain('finish')
  })
})
