import { beforeAll, describe, expect, it } from 'vitest'
import { type Keyset, readKeyset } from '../../../supabase/functions/_shared/crypto/keyset.ts'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { callTool } from '../../../supabase/functions/_shared/tools/call-tool.ts'
import type {
  Elicitation,
  Question,
  Reply,
} from '../../../supabase/functions/_shared/tools/elicitation.ts'
import {
  sealAnswers,
  sealState,
} from '../../../supabase/functions/_shared/tools/elicitation-seals.ts'
import type { Chunk } from '../../../supabase/functions/_shared/tools/tool-chunks.ts'
import type { ToolOutcome } from '../../../supabase/functions/_shared/tools/tool-server.ts'
import { fakeAdmin, fakeLog, fakeServer, succeeded } from '../../support/agents/tool-fakes.ts'
import { fakeClock } from '../../support/clocks.ts'

let keyset: Keyset
beforeAll(async () => {
  const bytes = Uint8Array.from({ length: 32 }, (_, place) => place + 1)
  keyset = await readKeyset(`k:${Buffer.from(bytes).toString('base64')}`)
})

const questions: Question[] = [
  {
    ...{ key: 'q', mode: 'form', message: 'Who?' },
    schema: {
      ...{ type: 'object', properties: { name: { type: 'string' } } },
      ...{ required: ['name'], additionalProperties: false },
    },
  },
]
const elicitation: Elicitation = { questions, state: 's', takesAnswers: true }
const asks: ToolOutcome = {
  status: 'error',
  error_code: 'tool_needs_input',
  result: { text: 'It asks.', content: [], truncated: false },
  elicitation,
}
const ids = { organization_id: 7, execution_id: 'e', tool_call_id: 'c', attempt: 1 }

function setUp(outcome: ToolOutcome, suspended: () => unknown = () => 'pending') {
  const chunks: Chunk[] = []
  const replies: (Reply | undefined)[] = []
  const { admin, argsOf } = fakeAdmin({ suspend_tool_call: suspended })
  const { log, entries } = fakeLog()
  const deps = {
    ...{ admin, log, keyset, clock: fakeClock(), random: () => 0.5 },
    emit: (more: readonly Chunk[]) => void chunks.push(...more),
    signal: new AbortController().signal,
    media: { left: 1_000_000 },
  }
  const server = fakeServer({
    call: (_definition, _args, _signal, reply) => {
      replies.push(reply)
      return Promise.resolve(outcome)
    },
  })
  const definition = { name: 'x', input_schema: {} }
  const call = { ...ids, name: 's__x', server, serverName: 's', definition, args: {} }
  return { deps, call, chunks, replies, argsOf, entries }
}

/** What the database gives of an answered call. */
async function claimed(round = 1, content: object = { name: 'Ann' }, kept = elicitation) {
  const key = { ...ids, round }
  const answers = { q: { action: 'accept' as const, content: content as { name: string } } }
  return {
    ...{ round, questions },
    request_state: await sealState(keyset, key, kept),
    answers: await sealAnswers(keyset, key, answers),
  }
}

describe('a call whose server asks', () => {
  it('waits: its questions are stored and shown, its state is sealed', async () => {
    const { deps, call, chunks, argsOf } = setUp(asks)
    expect(await callTool(deps, { ...call, params: { top_p: 1 } })).toBeNull()
    expect(argsOf('suspend_tool_call')).toMatchObject([
      { ...ids, round: 1, questions, params: { top_p: 1 } },
    ])
    expect(argsOf('suspend_tool_call')[0]?.['request_state']).toMatch(/^v1\.k\./)
    expect(argsOf('finish_tool_call')).toEqual([])
    expect(chunks).toMatchObject([
      { type: 'data-elicitation', data: { server: 's', tool: 'x', round: 1, questions } },
    ])
    expect(JSON.stringify(chunks)).not.toContain('v1.')
  })

  it.each([
    ['has ended meanwhile', () => 'cancelling', 'execution_cancelled'],
    [
      'cannot be stored',
      () => {
        throw new AppError('internal_error')
      },
      'tool_needs_input',
    ],
  ])('does not wait when it %s', async (_, suspended, error_code) => {
    const { deps, call, argsOf, chunks } = setUp(asks, suspended)
    expect(await callTool(deps, call)).toMatchObject({ is_error: true })
    expect(argsOf('finish_tool_call')).toMatchObject([{ outcome: { status: 'error', error_code } }])
    expect(argsOf('finish_tool_call')[0]?.['outcome']).not.toHaveProperty('elicitation')
    expect(chunks).toMatchObject([{ type: 'tool-output-error' }])
  })

  it('does not wait a ninth time', async () => {
    const { deps, call, argsOf } = setUp(asks)
    expect(await callTool(deps, { ...call, input: await claimed(7) })).toBeNull()
    expect(await callTool(deps, { ...call, input: await claimed(8) })).toMatchObject({
      is_error: true,
    })
    expect(argsOf('suspend_tool_call')).toMatchObject([{ round: 8 }])
    expect(argsOf('finish_tool_call')).toMatchObject([
      { outcome: { error_code: 'tool_input_limit' } },
    ])
  })

  it('does not wait without a key that seals', async () => {
    const { deps, call, argsOf } = setUp(asks)
    await callTool({ ...deps, keyset: undefined }, call)
    expect(argsOf('finish_tool_call')).toMatchObject([
      { outcome: { error_code: 'tool_needs_input' } },
    ])
  })
})

describe('an answered call', () => {
  it('brings the answers and the state', async () => {
    const { deps, call, replies } = setUp(succeeded('done'))
    await callTool(deps, { ...call, input: await claimed() })
    expect(replies).toEqual([
      {
        answers: { q: { action: 'accept', content: { name: 'Ann' } } },
        ...{ state: 's', takesAnswers: true },
      },
    ])
  })

  it.each([
    ['do not fit', () => claimed(1, { name: 1 })],
    ['are of another round', async () => ({ ...(await claimed(2)), round: 1 })],
    ['are no seal', async () => ({ ...(await claimed()), answers: 'v1.k.n.c' })],
    ['are gone', async () => ({ ...(await claimed()), answers: null })],
  ])('is not made with answers that %s', async (_, input) => {
    const { deps, call, replies, argsOf } = setUp(succeeded('done'))
    await callTool(deps, { ...call, input: await input() })
    expect(replies).toEqual([])
    expect(argsOf('finish_tool_call')).toMatchObject([
      { outcome: { status: 'error', error_code: 'tool_input_invalid' } },
    ])
  })

  it('of a server that takes no answers is made when the person accepted, and only then', async () => {
    const kept = { ...elicitation, takesAnswers: false }
    const yes = setUp(succeeded('done'))
    await callTool(yes.deps, { ...yes.call, input: await claimed(1, { name: 'Ann' }, kept) })
    expect(yes.replies).toHaveLength(1)
    const no = setUp(succeeded('done'))
    const answers = await sealAnswers(keyset, { ...ids, round: 1 }, { q: { action: 'cancel' } })
    const input = { ...(await claimed(1, { name: 'Ann' }, kept)), answers }
    await callTool(no.deps, { ...no.call, input })
    expect(no.replies).toEqual([])
    expect(no.argsOf('finish_tool_call')).toMatchObject([
      { outcome: { error_code: 'tool_input_declined' } },
    ])
  })
})
