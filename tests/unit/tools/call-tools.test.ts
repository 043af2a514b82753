import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import type { ToolCallPart } from '../../../supabase/functions/_shared/models/model-protocol.ts'
import { callApprovedTools } from '../../../supabase/functions/_shared/tools/call-approved-tools.ts'
import { callTools } from '../../../supabase/functions/_shared/tools/call-tools.ts'
import type { Chunk } from '../../../supabase/functions/_shared/tools/tool-chunks.ts'
import type { ToolServer } from '../../../supabase/functions/_shared/tools/tool-server.ts'
import type { KnownTool } from '../../../supabase/functions/_shared/tools/toolbox.ts'
import {
  fakeAdmin,
  fakeLog,
  fakeServer,
  listed,
  succeeded,
} from '../../support/agents/tool-fakes.ts'
import { fakeClock } from '../../support/clocks.ts'

const tool: KnownTool = {
  mcp_configuration_id: 1,
  server: 's',
  type: 'http',
  endpoint: 'https://s.example.com/mcp',
  tool: 'x',
  definition: { ...listed('x').definition, input_schema: { type: 'object', required: ['q'] } },
  definition_hash: 'hash',
}
const call = (id: string, name = 's__x', text = '{"q":1}'): ToolCallPart => ({
  type: 'tool_call',
  id,
  name,
  arguments: text,
})
const execution = { organization_id: 7, execution_id: 'e', attempt: 1, params: { temperature: 0 } }

interface Begun {
  calls: { tool_call_id: string; refusal?: string }[]
}

/** A database that lets every call run, unless the worker or the test says otherwise. */
const running = ({ calls }: Begun) => ({
  status: 'running',
  calls: calls.map(({ refusal }) =>
    refusal ? { status: 'error', error_code: refusal } : { status: 'running', error_code: null },
  ),
})

function setUp(
  server: ToolServer = fakeServer(),
  answers: Record<string, (args: never) => unknown> = {},
) {
  const chunks: Chunk[] = []
  const clock = fakeClock()
  const { admin, argsOf, calls } = fakeAdmin({ begin_tool_calls: running, ...answers })
  const { log, entries } = fakeLog()
  const deps = {
    admin,
    log,
    toolbox: {
      find: (name: string) => (name === 's__x' ? tool : undefined),
      serverOf: () => server,
    },
    clock,
    random: () => 0.5,
    emit: (more: readonly Chunk[]) => void chunks.push(...more),
    signal: new AbortController().signal,
    media: { left: 1_000_000 },
  }
  return { deps, chunks, argsOf, calls, entries, pauses: clock.pauses }
}

describe('the calls of one step', () => {
  it('are written down before the first is made, and each outcome after it', async () => {
    const order: string[] = []
    const server = fakeServer({
      call: async () => {
        order.push('call')
        return succeeded('done')
      },
    })
    const { deps, argsOf } = setUp(server, {
      begin_tool_calls: (args) => {
        order.push('begin')
        return running(args)
      },
      finish_tool_call: () => void order.push('finish'),
    })
    const made = await callTools(deps, execution, 3, [call('a')])
    expect(order).toEqual(['begin', 'call', 'finish'])
    expect(made).toEqual({
      results: [{ type: 'tool_result', tool_call_id: 'a', name: 's__x', content: 'done' }],
      waiting: null,
    })
    expect(argsOf('begin_tool_calls')).toEqual([
      {
        organization_id: 7,
        execution_id: 'e',
        step: 3,
        attempt: 1,
        params: { temperature: 0 },
        calls: [
          {
            ...{ tool_call_id: 'a', name: 's__x', arguments: '{"q":1}', mcp_configuration_id: 1 },
            ...{ server: 's', endpoint: tool.endpoint, tool: 'x', definition_hash: 'hash' },
          },
        ],
      },
    ])
    expect(argsOf('finish_tool_call')).toMatchObject([
      { execution_id: 'e', tool_call_id: 'a', outcome: { status: 'success' } },
    ])
  })

  it('are made four at a time, and answered in their order', async () => {
    let now = 0
    let most = 0
    const server = fakeServer({
      call: async (_definition, { q }) => {
        most = Math.max(most, ++now)
        await new Promise((resolve) => setImmediate(resolve))
        now -= 1
        return succeeded(String(q))
      },
    })
    const wanted = Array.from({ length: 10 }, (_, n) => call(`c${n}`, 's__x', `{"q":${n}}`))
    const { results } = await callTools(setUp(server).deps, execution, 1, wanted)
    expect(most).toBe(4)
    expect(results.map(({ content }) => content)).toEqual([...'0123456789'])
  })

  it('that cannot be made are refused before anything is sent', async () => {
    const { deps, argsOf, chunks } = setUp(
      fakeServer({
        call: () => {
          throw new Error('must not be called')
        },
      }),
    )
    const many = Array.from({ length: 17 }, (_, n) => call(`n${n}`, 'no such tool'))
    const wanted = [call('bad', 's__x', '{}'), call('broken', 's__x', '{'), ...many]
    const { results } = await callTools(deps, execution, 1, wanted)
    expect(results.slice(0, 3).map(({ content }) => content)).toEqual([
      'The arguments do not match the schema of the tool: required.',
      'The arguments are not JSON.',
      'This call was not made: there is no such tool.',
    ])
    const [begun] = argsOf('begin_tool_calls') as unknown as Begun[]
    expect(begun?.calls.slice(0, 3).map(({ refusal }) => refusal)).toEqual([
      'tool_arguments_invalid',
      'tool_arguments_invalid',
      'tool_not_found',
    ])
    expect(chunks.filter(({ type }) => type === 'tool-output-error')).toHaveLength(19)
    const over = await callTools(deps, execution, 1, [
      ...Array.from({ length: 16 }, (_, n) => call(`m${n}`, 's__x', '{')),
      call('last'),
    ])
    expect(over.results.at(-1)?.content).toBe('This call was not made: too many calls at once.')
  })

  it('are not made where the database says so, whatever the worker knew', async () => {
    for (const [status, error_code, type] of [
      ['denied', 'tool_off', 'tool-output-denied'],
      ['error', 'tool_not_available', 'tool-output-error'],
    ] as const) {
      const { deps, chunks } = setUp(
        fakeServer({
          call: () => {
            throw new Error('must not be called')
          },
        }),
        { begin_tool_calls: () => ({ status: 'running', calls: [{ status, error_code }] }) },
      )
      const { results } = await callTools(deps, execution, 1, [call('a')])
      expect(results).toMatchObject([{ is_error: true }])
      expect(chunks.map((chunk) => chunk.type)).toEqual(['tool-input-available', type])
    }
  })

  it('that wait for a person have no result, and the person is asked last', async () => {
    const { deps, chunks } = setUp(fakeServer(), {
      begin_tool_calls: () => ({
        status: 'running',
        calls: [
          { status: 'pending', error_code: null },
          { status: 'running', error_code: null },
        ],
      }),
    })
    const made = await callTools(deps, execution, 1, [call('a'), call('b')])
    expect(made.waiting).toBe('tool_approval_required')
    expect(made.results).toMatchObject([{ tool_call_id: 'b' }])
    expect(chunks.map(({ type, toolCallId }) => [type, toolCallId])).toEqual([
      ['tool-input-available', 'a'],
      ['tool-input-available', 'b'],
      ['tool-output-available', 'b'],
      ['tool-approval-request', 'a'],
    ])
  })

  it('are not made by an execution that has ended', async () => {
    const { deps, calls } = setUp(
      fakeServer({
        call: () => {
          throw new Error('must not be called')
        },
      }),
      { begin_tool_calls: () => ({ status: 'cancelling' }) },
    )
    const made = await callTools(deps, execution, 1, [call('a')])
    expect(made).toEqual({ results: [], waiting: null, ended: 'cancelling' })
    expect(calls.map(({ name }) => name)).toEqual(['begin_tool_calls'])
  })

  it('have their outcome stored again when the database was away, and the call is not repeated', async () => {
    let made = 0
    let stored = 0
    const server = fakeServer({
      call: async () => {
        made += 1
        return succeeded('done')
      },
    })
    const away = () => {
      stored += 1
      if (stored < 3) throw new AppError('database_unavailable')
    }
    const { deps, pauses } = setUp(server, { finish_tool_call: away })
    await callTools(deps, execution, 1, [call('a')])
    expect([made, stored, pauses.length]).toEqual([1, 3, 2])

    const refused = setUp(server, {
      finish_tool_call: () => {
        throw new AppError('internal_error')
      },
    })
    const { results } = await callTools(refused.deps, execution, 1, [call('a')])
    expect(results).toMatchObject([{ content: 'done' }])
    expect(refused.entries).toMatchObject([{ event: 'tool_outcome_not_stored' }])
  })

  it('are refused together when the limit of steps is reached', async () => {
    const { deps, argsOf } = setUp()
    const { results } = await callTools(deps, execution, 8, [call('a')], 'step_limit')
    expect(results).toMatchObject([
      { content: 'This call was not made: no more calls are made for this answer.' },
    ])
    expect(argsOf('begin_tool_calls')).toMatchObject([{ calls: [{ refusal: 'step_limit' }] }])
  })
})

describe('the calls that a person has decided', () => {
  const claimed = (changes: object) => ({
    ...{ execution_id: 'asked', tool_call_id: 'a', name: 's__x', server: 's', tool: 'x' },
    ...{ mcp_configuration_id: 1, type: 'http', endpoint: tool.endpoint },
    ...{ arguments: '{"q":"approved"}', definition: tool.definition, error_code: null },
    ...changes,
  })

  it('are made with the arguments that were approved', async () => {
    const sent: unknown[] = []
    const server = fakeServer({
      call: async (_definition, args) => {
        sent.push(args)
        return succeeded('done')
      },
    })
    const { deps, argsOf, chunks } = setUp(server, {
      claim_tool_calls: () => [claimed({ status: 'running' })],
    })
    const { results } = await callApprovedTools(deps, execution)
    expect(sent).toEqual([{ q: 'approved' }])
    expect(results).toMatchObject([{ tool_call_id: 'a', content: 'done' }])
    // The call belongs to the execution that asked for it.
    expect(argsOf('finish_tool_call')).toMatchObject([{ execution_id: 'asked', tool_call_id: 'a' }])
    expect(chunks.map(({ type }) => type)).toEqual([
      'tool-input-available',
      'tool-output-available',
    ])
  })

  it.each([
    ['denied', 'tool_call_denied', /did not approve/, 'tool-output-denied'],
    ['expired', 'tool_approval_expired', /in time/, 'tool-output-denied'],
    ['unknown', 'interrupted', /unknown: it may have been carried out/, 'tool-output-error'],
    ['running', null, /unknown|was not made/, 'tool-output-error'],
  ])('are not made when they are %s', async (status, error_code, content, type) => {
    const server = fakeServer({
      call: () => {
        throw new Error('must not be called')
      },
    })
    const definition = status === 'running' ? null : tool.definition
    const { deps, chunks } = setUp(server, {
      claim_tool_calls: () => [claimed({ status, error_code, definition })],
    })
    const { results } = await callApprovedTools(deps, execution)
    expect(results[0]?.content).toMatch(content)
    expect(chunks.map((chunk) => chunk.type)).toEqual(['tool-input-available', type])
  })
})
