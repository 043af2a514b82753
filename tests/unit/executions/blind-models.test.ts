import { expect, it } from 'vitest'
import { runExecution } from '../../../supabase/functions/_shared/executions/run.ts'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import { hasFiles } from '../../../supabase/functions/_shared/tools/tool-messages.ts'
import { readResult } from '../../../supabase/functions/_shared/tools/tool-result.ts'
import {
  begunExecution,
  fakeDatabase,
  fakeModels,
  withoutEvents,
} from '../../support/agents/agents-fixture.ts'
import { fakeServer, listed } from '../../support/agents/tool-fakes.ts'
import { stoppedClock } from '../../support/clocks.ts'

const png = btoa('a picture')

/** Runs three model calls with a call of a tool that shows a picture between them. */
async function run(sees: boolean) {
  const shown: boolean[] = []
  const models = fakeModels((_step, { messages }) => {
    const withFiles = messages.some(({ parts }) => parts?.some(hasFiles))
    shown.push(withFiles)
    if (withFiles && !sees) throw new ModelError('provider_rejected_request')
    const results = messages.filter(({ role }) => role === 'tool').length
    return results === 2
      ? [
          [
            { type: 'text', text: 'done' },
            { type: 'finish', reason: 'stop', rawReason: 'stop' },
          ],
        ]
      : [
          [
            { type: 'tool_call', id: `c${shown.length}`, name: 'eyes__look', arguments: '{}' },
            { type: 'finish', reason: 'tool_calls', rawReason: 'x' },
          ],
        ]
  })
  const { admin, outcomes } = fakeDatabase({
    begin_tool_calls: () => ({
      status: 'running',
      calls: [{ status: 'running', error_code: null }],
    }),
  })
  const look = () =>
    Promise.resolve({
      status: 'success' as const,
      result: readResult({ content: [{ type: 'image', data: png, mimeType: 'image/png' }] }),
    })
  const execution = begunExecution({
    tools: [
      {
        ...{ mcp_configuration_id: 1, server: 'eyes', type: 'http', quarantined: [] },
        ...{ endpoint: 'https://eyes.test/mcp', tools: [listed('look')] },
      },
    ],
  })
  await runExecution(
    {
      ...{ admin, models, clock: stoppedClock, random: () => 0, log: () => undefined },
      openToolServer: () => fakeServer({ call: look }),
    },
    execution,
    { stream: true },
  )
  return { shown, outcomes: outcomes() }
}

it('a model that sees gets the pictures of tools, and none is stored', async () => {
  const { shown, outcomes } = await run(true)
  expect(shown).toEqual([false, true, true])
  expect(outcomes).toMatchObject([{ status: 'success' }])
  expect(JSON.stringify(outcomes.map(withoutEvents))).not.toContain(png)
})

it('a model that refuses them is called again without, and gets none later', async () => {
  const { shown, outcomes } = await run(false)
  expect(shown).toEqual([false, true, false, false])
  expect(outcomes).toMatchObject([{ status: 'success', content: 'done' }])
})
