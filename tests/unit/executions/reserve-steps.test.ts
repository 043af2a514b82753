import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { toModelRequest } from '../../../supabase/functions/_shared/executions/models.ts'
import { requestBytes } from '../../../supabase/functions/_shared/executions/request-bytes.ts'
import { runExecution } from '../../../supabase/functions/_shared/executions/run.ts'
import type {
  ModelMessage,
  ModelRequest,
} from '../../../supabase/functions/_shared/models/model-protocol.ts'
import {
  begunExecution,
  fakeDatabase,
  fakeModels,
  routeStep,
} from '../../support/agents/agents-fixture.ts'
import { fakeServer, listed, succeeded } from '../../support/agents/tool-fakes.ts'
import { stoppedClock } from '../../support/clocks.ts'

const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value))
/** The content of a message with parts repeats their text, and no provider gets both. */
const asSent = (message: ModelMessage) =>
  message.parts?.length ? { ...message, content: '' } : message

// One, two, three and four bytes a character, and one that JSON escapes.
const character = fc.constantFrom('a', 'é', '語', '😀', '"')
const text = fc
  .tuple(character, fc.integer({ min: 0, max: 9_000 }))
  .map(([one, count]) => one.repeat(count))

interface Case {
  readonly asked: string
  readonly said: string
  readonly answered: string
  readonly described: string
  readonly approved: boolean
  readonly isListed: boolean
}

/** Runs an execution with one call of a tool; what was reserved and sent, per call of the model. */
async function run(
  { asked, said, answered, described, approved, isListed }: Case,
  judge: () => void = () => undefined,
) {
  const tool = {
    ...listed('find'),
    definition: { ...listed('find').definition, description: described },
  }
  const server = {
    mcp_configuration_id: 1,
    server: 'notes',
    type: 'http',
    endpoint: 'https://notes.test/mcp',
    quarantined: [],
  } as const
  const called = { id: 'c0', name: 'notes__find', arguments: JSON.stringify({ said }) }
  const question = { id: 'm', role: 'user', content: asked, parts: null } as const
  const asking = {
    id: 'n',
    role: 'assistant',
    content: '',
    parts: [{ type: 'tool_call', ...called }],
  } as const
  const execution = begunExecution({
    history: approved ? [question, asking] : [question],
    tools: [{ ...server, tools: isListed ? [tool] : null }],
    ...(approved && { continues: 'an earlier one' }),
  })
  const { system_prompts, history, tools } = execution
  const claimed = {
    ...server,
    execution_id: 'e',
    tool_call_id: 'c0',
    name: 'notes__find',
    tool: 'find',
    arguments: JSON.stringify({ said }),
    definition: tool.definition,
    status: 'running',
    error_code: null,
  }
  const reserved: number[] = []
  const sent: ModelRequest[] = []
  const { admin } = fakeDatabase({
    claim_tool_calls: () => [claimed],
    record_mcp_tools: () => ({ tools: [tool], quarantined: [] }),
    begin_tool_calls: () => ({
      status: 'running',
      calls: [{ status: 'running', error_code: null }],
    }),
    reserve_execution_step: ({ input_bytes }) => {
      judge()
      reserved[sent.length] = Number(input_bytes)
    },
  })
  const models = fakeModels((_step, request) => {
    sent.push(request)
    const call = { id: 'c1', name: 'notes__find', arguments: JSON.stringify({ said }) }
    return sent.length === 1
      ? [
          [
            { type: 'text', text: said },
            { type: 'tool_call', ...call },
            { type: 'finish', reason: 'tool_calls', rawReason: 'x' },
          ],
        ]
      : [
          [
            { type: 'text', text: 'done' },
            { type: 'finish', reason: 'stop', rawReason: 'stop' },
          ],
        ]
  })
  const openToolServer = () =>
    fakeServer({
      list: async () => ({
        tools: [tool.definition],
        refused: [],
        incomplete: null,
        ttl: 60,
        era: 'older',
      }),
      call: async () => succeeded(answered),
    })
  const random = () => 0
  const deps = { admin, models, openToolServer, clock: stoppedClock, random, log: () => undefined }
  const stored = await runExecution(deps, execution, { stream: true })
  // begin_execution() counts these, as the text of jsonb, which is no shorter.
  const begun = bytesOf([null, system_prompts, history, tools])
  const steps = sent.map(({ systemPrompts, messages, tools: told }, place) => ({
    reserved: (reserved[place] ?? 0) + (place === 0 ? begun : 0),
    sent: bytesOf([null, systemPrompts, messages.map(asSent), told]),
  }))
  return { stored, steps }
}

describe('what is reserved for a call of the model', () => {
  it('covers every byte that is sent, in each step, script and size, also after an approval', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          asked: text,
          said: text,
          answered: text,
          described: text,
          approved: fc.boolean(),
          isListed: fc.boolean(),
        }),
        async (given) => {
          const { stored, steps } = await run(given)
          expect(stored).toMatchObject({ status: 'success' })
          expect(steps).toHaveLength(2)
          for (const step of steps) expect(step.reserved).toBeGreaterThanOrEqual(step.sent)
        },
      ),
      { numRuns: 40 },
    )
  })

  it('counts no byte twice: a first step reserves what was not known when it began', async () => {
    const answered = '語'.repeat(20_000)
    const given = { asked: 'a', said: '', answered, described: 'b', approved: true, isListed: true }
    const { steps } = await run(given)
    expect(steps[0]?.reserved).toBeGreaterThan(60_000)
    expect((steps[0]?.reserved ?? 0) - (steps[0]?.sent ?? 0)).toBeLessThan(200)
  })
})

/** What an execution reserves at its first call with the client's own messages, and then sends. */
async function runAsked(messages: readonly ModelMessage[]) {
  const server = {
    mcp_configuration_id: 1,
    server: 'notes',
    type: 'http',
    quarantined: [],
  } as const
  const execution = begunExecution({
    tools: [{ ...server, endpoint: 'https://notes.test/mcp', tools: [listed('find')] }],
    asked: { messages },
  })
  const { admin, calls } = fakeDatabase()
  const models = fakeModels(() => [
    [
      { type: 'text', text: 'done' },
      { type: 'finish', reason: 'stop', rawReason: 'stop' },
    ],
  ])
  const deps = {
    ...{ admin, models, openToolServer: () => fakeServer(), clock: stoppedClock },
    ...{ random: () => 0, log: () => undefined },
  }
  await runExecution(deps, execution, { stream: true })
  return calls.filter(({ name }) => name === 'reserve_execution_step')
}

describe('the client’s own messages', () => {
  it('are counted once, when the execution begins, and a file in them never as base64', async () => {
    const url = `data:application/pdf;base64,${'A'.repeat(400_000)}`
    const file = { type: 'file', url, media_type: 'application/pdf' } as const
    const long = { role: 'user', content: 'x'.repeat(100_000) } as const
    expect(await runAsked([long, { role: 'user', content: '', parts: [file] }])).toEqual([])
  })

  it.each([
    ['an image at any size', 'image', 'image/png', 4_000_000, 16_384],
    ['a small file', 'file', 'application/pdf', 100, 16_384],
    ['a large file by what its base64 holds', 'file', 'application/pdf', 4_000_000, 3_000_000],
    ['a sound by what its base64 holds', 'file', 'audio/mp3', 4_000_000, 3_000_000],
    ['a text that is called an image', 'image', 'text/plain', 4_000_000, 3_000_000],
    ['an image that is text', 'image', 'image/svg+xml', 4_000_000, 3_000_000],
  ] as const)('reserve for %s', (_what, type, dataType, length, expected) => {
    const url = `data:${dataType};base64,${'A'.repeat(length)}`
    const parts = [{ type, url, media_type: 'image/png' }]
    const bytes = requestBytes([{ role: 'user', content: '', parts }])
    expect(bytes).toBeGreaterThanOrEqual(expected)
    expect(bytes).toBeLessThan(expected + 200)
  })
})

describe('a request', () => {
  it('holds nothing that begin_execution() has not counted before the first tool is called', () => {
    const execution = begunExecution()
    const [step] = execution.route
    if (!step) throw new Error('no route')
    const { messages, systemPrompts } = toModelRequest(execution, step)
    const { history, system_prompts } = execution
    expect(bytesOf([messages, systemPrompts])).toBeLessThanOrEqual(
      bytesOf([history, system_prompts]),
    )
  })
})

describe('an execution whose access the database finds revoked', () => {
  const refuse = () => {
    throw new AppError('access_revoked')
  }
  const texts = { asked: 'x', said: 'x', answered: 'x', described: 'x' }
  const given = { ...texts, approved: false, isListed: true }

  it('ends as cancelled at its next step, and calls the model no more', async () => {
    const { stored, steps } = await run(given, refuse)
    expect(stored).toMatchObject({ status: 'cancelled', error_code: 'access_revoked' })
    expect(steps).toHaveLength(1)
  })

  it('ends as cancelled at the probe of an open breaker, and calls no model', async () => {
    const { admin } = fakeDatabase({ acquire_probe: refuse })
    const sent: ModelRequest[] = []
    const models = fakeModels((_step, request) => {
      sent.push(request)
      return []
    })
    const deps = { admin, models, clock: stoppedClock, random: () => 0, log: () => undefined }
    const execution = begunExecution({ route: [routeStep('first', { probe: true })] })
    const stored = await runExecution(deps, execution, { stream: true })
    expect(stored).toMatchObject({ status: 'cancelled', error_code: 'access_revoked' })
    expect(sent).toEqual([])
  })
})
