import { describe, expect, it } from 'vitest'
import type { HistoryMessage } from '../../../supabase/functions/_shared/executions/execution.ts'
import {
  trimFurther,
  trimToWindow,
} from '../../../supabase/functions/_shared/executions/trim-history.ts'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import { fakeModels, helloAnswer, routeStep } from '../../support/agents/agents-fixture.ts'
import { run } from './run-support.ts'

const message = (role: HistoryMessage['role'], content: string): HistoryMessage => ({
  id: 'm',
  role,
  content,
  parts: null,
})
/** So many turns, each with a question, a call of a tool, its result and an answer. */
const turns = (count: number) =>
  Array.from({ length: count }).flatMap((_, turn) => [
    message('user', `question ${turn}`),
    message('assistant', 'x'.repeat(100)),
    message('tool', 'y'.repeat(100)),
    message('assistant', `answer ${turn}`),
  ])
const asking = (count: number) => [...turns(count), message('user', 'now')]

describe('a conversation that is too long', () => {
  it('loses whole turns from the oldest, half of it each time, and never the newest turn', () => {
    const history = asking(8)
    let trimmed: number | null = 0
    const seen: number[] = []
    for (;;) {
      trimmed = trimFurther(history, trimmed)
      if (trimmed === null) break
      seen.push(trimmed)
    }
    expect(seen.map((index) => history[index]?.role)).toEqual(seen.map(() => 'user'))
    expect(seen).toEqual([20, 28, 32])
    expect(trimFurther([message('user', 'now')], 0)).toBeNull()
  })

  it('needs eight calls at most for the longest one that a worker gets', () => {
    const history = Array.from({ length: 200 }, (_, index) =>
      message(index % 2 === 1 ? 'user' : 'assistant', 'same length'),
    )
    let [calls, trimmed] = [1, 0]
    for (let next = trimFurther(history, 0); next !== null; next = trimFurther(history, trimmed)) {
      trimmed = next
      calls += 1
    }
    expect(calls).toBeLessThanOrEqual(9)
    expect(trimmed).toBe(199)
  })
})

/** A model with a window of so many messages. */
function windowed(most: number) {
  const asked: number[] = []
  const models = fakeModels(async function* (_, { messages }) {
    asked.push(messages.length)
    if (messages.length > most) throw new ModelError('context_length_exceeded')
    yield* helloAnswer
  })
  return { models, asked }
}

describe('an execution whose conversation is too long for its model', () => {
  const history = asking(8)

  it('answers with the newest turns, and says how many messages were left out', async () => {
    const { models, asked } = windowed(6)
    const { outcomes, written } = await run(models, { execution: { history } })
    expect(asked).toEqual([33, 13, 5])
    expect(outcomes).toMatchObject([
      { status: 'success', content: 'Hello there', trimmed_messages: 28 },
    ])
    expect(written.join('')).toContain(
      '{"type":"message-metadata","messageMetadata":{"trimmed_messages":28}}',
    )
  })

  it('fails when the newest turn alone is too long', async () => {
    const { models, asked } = windowed(0)
    const { outcomes } = await run(models, { execution: { history } })
    expect(asked).toEqual([33, 13, 5, 1])
    expect(outcomes).toMatchObject([{ status: 'failed', error_code: 'context_length_exceeded' }])
  })

  it('is not shortened when the client sent it itself', async () => {
    const { models, asked } = windowed(6)
    const messages = history.map(({ role, content }) => ({ role, content }))
    const { outcomes } = await run(models, { execution: { history, asked: { messages } } })
    expect(asked).toEqual([33])
    expect(outcomes).toMatchObject([{ status: 'failed', error_code: 'context_length_exceeded' }])
  })

  it('does not begin again after its first output', async () => {
    let calls = 0
    const models = fakeModels(async function* () {
      calls += 1
      yield* helloAnswer.slice(0, 1)
      throw new ModelError('context_length_exceeded')
    })
    const { outcomes } = await run(models, { execution: { history } })
    expect(calls).toBe(1)
    expect(outcomes).toMatchObject([{ status: 'failed', content: 'Hello' }])
  })
})

/** A text that no tokenizer makes fewer than a token per 16 characters of. */
const prose = 'The administration regards environmental considerations as its own. '.repeat(20)
const talk = (count: number) => [
  ...Array.from({ length: count }).flatMap(() => [
    message('user', prose),
    message('assistant', prose),
  ]),
  message('user', 'now'),
]

describe('a conversation that a window cannot hold', () => {
  it('loses its oldest turns before the first call, in the stream and the record too', async () => {
    const { models, asked } = windowed(100)
    const route = [routeStep('first', { context_tokens: 2_000 })]
    const { outcomes, written } = await run(models, { execution: { history: talk(20), route } })
    // 1,360 characters each: 5 of them are likely 1,700 tokens.
    expect(asked).toEqual([5])
    expect(outcomes).toMatchObject([{ status: 'success', trimmed_messages: 36 }])
    expect(written.join('')).toContain('"messageMetadata":{"trimmed_messages":36}')
  })

  it('is trimmed further when its provider finds the rest too long', async () => {
    const { models, asked } = windowed(3)
    const route = [routeStep('first', { context_tokens: 2_000 })]
    const { outcomes } = await run(models, { execution: { history: talk(20), route } })
    expect(asked).toEqual([5, 1])
    expect(outcomes).toMatchObject([{ status: 'success', trimmed_messages: 40 }])
  })

  it('is whole again for another model that can hold it, and the record says so', async () => {
    const asked: [string, number][] = []
    const models = fakeModels(async function* ({ name }, { messages }) {
      asked.push([name, messages.length])
      if (name === 'first') throw new ModelError('provider_unauthorized')
      yield* helloAnswer
    })
    const route = [routeStep('first', { context_tokens: 2_000 }), routeStep('second')]
    const { outcomes, written } = await run(models, { execution: { history: talk(20), route } })
    expect(asked).toEqual([
      ['first', 5],
      ['second', 41],
    ])
    expect(outcomes[0]).not.toHaveProperty('trimmed_messages')
    expect(written.join('')).toContain('"messageMetadata":{"trimmed_messages":0}')
  })

  it('is sent whole while it may fit, and when the client sent it itself', async () => {
    const { models, asked } = windowed(100)
    // Likely more than the window, and yet a provider may count fewer.
    const route = [routeStep('first', { context_tokens: 4_000 })]
    await run(models, { execution: { history: talk(20), route } })
    const messages = talk(40).map(({ role, content }) => ({ role, content }))
    await run(models, { execution: { history: talk(40), route, asked: { messages } } })
    expect(asked).toEqual([41, 81])
  })

  it('is counted by what a model is sent, in which repetition is cheap', () => {
    const long = (content: string) => [
      message('user', content),
      message('assistant', 'Yes.'),
      message('user', 'now'),
    ]
    expect(trimToWindow(long(' '.repeat(100_000)), 1_000)).toBe(0)
    expect(trimToWindow(long('-'.repeat(50_000) + '='.repeat(50_000)), 1_000)).toBe(0)
    expect(trimToWindow(long('a1'.repeat(50_000)), 1_000)).toBe(2)
    const thought = { type: 'reasoning', text: 'x1'.repeat(50_000) }
    const calls = { type: 'tool_call', id: 'c', name: 'w', arguments: 'x1'.repeat(50_000) }
    const asking = (part: object) => [
      message('user', 'How?'),
      { ...message('assistant', ''), parts: [part] },
      message('user', 'now'),
    ]
    expect(trimToWindow(asking(thought), 1_000)).toBe(0)
    expect(trimToWindow(asking(calls), 1_000)).toBe(2)
    expect(trimToWindow([message('user', 'x1'.repeat(50_000))], 1_000)).toBe(0)
  })
})
