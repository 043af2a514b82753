import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import {
  agentsApp,
  begunExecution,
  fakeModels,
  helloAnswer,
} from '../../support/agents/agents-fixture.ts'
import { fakeClock } from '../../support/clocks.ts'

const begun = begunExecution()
const path = `/agents/executions/${begun.execution_id}/approvals/call-1`

it('an execution that a decision continues is stored while the model speaks, for its followers', async () => {
  const appended = () => calls.some(({ name }) => name === 'append_execution_events')
  const models = fakeModels(async function* () {
    yield* helloAnswer.slice(0, 1)
    // Turns of the event loop, in which every timer of the clock is due.
    for (let turn = 0; turn < 1_000 && !appended(); turn += 1) await setImmediate()
    yield* helloAnswer.slice(1)
  })
  const decided = {
    tool_call_id: 'call-1',
    status: 'approved',
    waiting: 0,
    continued_by: begun.execution_id,
    continuation: begun,
  }
  const { app, calls, background } = agentsApp({
    models,
    clock: fakeClock(),
    answers: { decide_tool_call: () => decided },
  })
  const body = JSON.stringify({ decision: 'approve' })
  const headers = { 'content-type': 'application/json' }
  const response = await app.request(path, { method: 'POST', headers, body })
  expect(await response.json()).toMatchObject({ execution_id: begun.execution_id })
  await Promise.all(background)
  const names = calls.map(({ name }) => name)
  const end = names.indexOf('finish_execution')
  expect(end).toBeGreaterThan(0)
  expect(names.slice(0, end)).toContain('append_execution_events')
})
