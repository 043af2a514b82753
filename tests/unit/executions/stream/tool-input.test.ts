import { readUIMessageStream, uiMessageChunkSchema, type UIMessageChunk } from 'ai'
import { describe, expect, it } from 'vitest'
import type { Db } from '../../../../supabase/functions/_shared/database.ts'
import type { FinishedExecution } from '../../../../supabase/functions/_shared/executions/execution.ts'
import {
  AnswerRecorder,
  writeInterval,
} from '../../../../supabase/functions/_shared/executions/stream/answer-recorder.ts'
import { LogReader } from '../../../../supabase/functions/_shared/executions/stream/log-reader.ts'
import {
  endText,
  eventsText,
} from '../../../../supabase/functions/_shared/executions/stream/ui-message-stream.ts'
import type { ModelEvent } from '../../../../supabase/functions/_shared/models/model-protocol.ts'
import { inputChunk } from '../../../../supabase/functions/_shared/tools/tool-chunks.ts'
import { begunExecution, readEvents, storedEnd } from '../../../support/agents/agents-fixture.ts'
import { ManualClock } from '../../../support/clocks.ts'

const piece = (id: string, args: string): ModelEvent => ({
  type: 'tool_call_delta',
  id,
  name: `tool-${id}`,
  arguments: args,
})
const call = (id: string, args: string) => ({ id, name: `tool-${id}`, arguments: args })
const typesOf = (stored: readonly string[]) =>
  stored.map((chunk) => (JSON.parse(chunk) as { type: string }).type)

function open() {
  const clock = new ManualClock(0)
  const written: string[] = []
  const stored: string[] = []
  const recorder = new AnswerRecorder({
    clock,
    log: { append: (chunks) => stored.push(...chunks) },
    live: true,
    write: (text) => written.push(text),
  })
  recorder.start(begunExecution())
  return { clock, recorder, written, stored }
}

async function messageOf(chunks: readonly object[]) {
  const stream = new ReadableStream<UIMessageChunk>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk as UIMessageChunk)
      controller.close()
    },
  })
  let last
  for await (const message of readUIMessageStream({ stream, onError: () => undefined }))
    last = message
  return last
}

describe('the arguments of a tool call', () => {
  it('are told as they come, after the text before them and before the whole call', () => {
    const { clock, recorder, stored } = open()
    recorder.add([{ type: 'text', text: 'Let me.' }, piece('a', '')])
    clock.advance(writeInterval)
    recorder.add([piece('a', '{"x":')])
    clock.advance(writeInterval)
    recorder.add([piece('a', '1}')])
    // Held back: written before the call is told whole.
    recorder.put([inputChunk(call('a', '{"x":1}'), undefined)])
    recorder.end()
    expect(typesOf(stored)).toEqual([
      ...['start', 'start-step', 'text-start', 'text-delta', 'text-end'],
      ...['tool-input-start', 'tool-input-delta', 'tool-input-delta', 'tool-input-available'],
    ])
    const deltas = stored.map((chunk) => JSON.parse(chunk) as { inputTextDelta?: string })
    expect(deltas.map(({ inputTextDelta = '' }) => inputTextDelta).join('')).toBe('{"x":1}')
  })

  it('cost as many writes as a text of the same pace', () => {
    const writes = (event: (index: number) => ModelEvent) => {
      const { clock, recorder, written } = open()
      for (let index = 0; index < 200; index += 1) {
        recorder.add([event(index)])
        clock.advance(2)
      }
      recorder.end()
      return written.length
    }
    const ofText = writes((index) => ({ type: 'text', text: `${index}` }))
    // The end of a call that was cut is written with the rest.
    expect(writes((index) => piece('a', `${index}`))).toBeLessThanOrEqual(ofText + 1)
  })

  it('are those of two calls that come at the same time, each by its id', async () => {
    const { recorder, stored } = open()
    recorder.add([piece('a', '{"x":'), piece('b', '{"y":'), piece('a', '1}'), piece('b', '2}')])
    recorder.put([inputChunk(call('a', '{"x":1}'), undefined)])
    recorder.end()
    const message = await messageOf(stored.map((chunk) => JSON.parse(chunk) as object))
    expect(message?.parts).toMatchObject([
      { type: 'step-start' },
      { type: 'dynamic-tool', toolCallId: 'a', state: 'input-available', input: { x: 1 } },
      { type: 'dynamic-tool', toolCallId: 'b', state: 'output-error', input: '{"y":2}' },
    ])
  })

  it('of a call that is cut end with an error, which the AI SDK shows', async () => {
    const { recorder, stored, written } = open()
    recorder.add([piece('a', '{"city":"Be')])
    recorder.end()
    expect(typesOf(stored).at(-1)).toBe('tool-input-error')
    const chunks = stored.map((chunk) => JSON.parse(chunk) as object)
    const { validate } = uiMessageChunkSchema()
    for (const chunk of chunks) expect(await validate?.(chunk)).toMatchObject({ success: true })
    expect((await messageOf(chunks))?.parts.at(-1)).toMatchObject({
      state: 'output-error',
      toolName: 'tool-a',
      errorText: 'tool_call_cut: The answer ended before the call was whole. It was not made.',
    })
    expect(written.join('')).toBe(eventsText(1, stored))
  })
})

describe('the stream of a worker that died while its model wrote a call', () => {
  const interrupted: FinishedExecution = {
    ...storedEnd({ status: 'failed', error_code: 'interrupted', content: '' }),
    error_code: 'interrupted',
  }
  const { recorder, stored } = open()
  recorder.add([{ type: 'text', text: 'Let me.' }, piece('a', '{"x":')])
  recorder.flush()
  recorder.add([piece('b', '{"y')])
  recorder.flush()
  recorder.add([{ type: 'text', text: 'And' }])
  recorder.flush()
  const events = stored.map((chunk) => JSON.parse(chunk) as object)
  // Batches of three events; the one with the next event is always given.
  const batches = [0, 3, 6, 9].map((from) => ({
    seq: from + 1,
    events: events.slice(from, from + 3),
  }))
  const db = {
    call: (name: string, args: { after_seq?: number }) =>
      Promise.resolve(
        name === 'read_execution_result'
          ? interrupted
          : {
              status: 'failed',
              batches: batches.filter((batch, index) => {
                const next = batches[index + 1]
                return (
                  !next || next.seq > (args.after_seq ?? 0) + 1 || batch.seq > (args.after_seq ?? 0)
                )
              }),
            },
      ),
  } as unknown as Db

  it('ends each call that had begun, after its open text', async () => {
    const { text } = await new LogReader(db, 'x', 0).read()
    expect(
      readEvents(text)
        .slice(events.length)
        .map(({ data }) => data),
    ).toMatchObject([
      { type: 'text-end' },
      { type: 'tool-input-error', toolCallId: 'a', input: '{"x":' },
      { type: 'tool-input-error', toolCallId: 'b', input: '{"y' },
      { type: 'error' },
      '[DONE]',
    ])
  })

  it('has the same end for a reader that comes in at any event', async () => {
    const whole = readEvents((await new LogReader(db, 'x', 0).read()).text)
    for (const { id } of whole) {
      const rest = readEvents((await new LogReader(db, 'x', id).read()).text)
      expect(rest).toEqual(whole.filter((event) => event.id > id))
    }
  })

  it('says nothing of calls when none was open', () => {
    const position = { id: 4, open: null }
    expect(endText('x', position, interrupted)).not.toContain('tool-input-error')
  })
})
