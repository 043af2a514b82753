import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { createWaitUntil } from '../../../supabase/functions/_shared/http/wait-until.ts'
import { type LogEntry, logDefects } from '../../../supabase/functions/_shared/log/log.ts'
import { agentsApp, begunExecution } from '../../support/agents/agents-fixture.ts'
import { fakeClock } from '../../support/clocks.ts'

const failing = () => Promise.reject(new AppError('database_unavailable', { cause: 'away' }))
const logged = { level: 'error', event: 'background_work_failed', code: 'database_unavailable' }
const turn = () => new Promise((resolve) => setImmediate(resolve))

// A rejection that nobody handles fails every test here: vitest reports it.
describe('work that nobody awaits', () => {
  it('is logged when it fails, on the platform and in a plain process', async () => {
    const entries: LogEntry[] = []
    const kept: Promise<unknown>[] = []
    const platform = { waitUntil: (work: Promise<unknown>) => kept.push(work) }
    createWaitUntil((entry) => entries.push(entry), platform)(failing())
    createWaitUntil((entry) => entries.push(entry))(failing())
    await turn()
    expect(entries).toMatchObject([logged, logged])
    await expect(Promise.all(kept)).resolves.toHaveLength(1)
  })

  it('is given to the platform as it is when it succeeds', async () => {
    const kept: Promise<unknown>[] = []
    const platform = { waitUntil: (work: Promise<unknown>) => kept.push(work) }
    createWaitUntil(() => undefined, platform)(Promise.resolve('done'))
    expect(await Promise.all(kept)).toEqual(['done'])
  })

  it.each(['invoke', 'whole', 'decide', 'chat'] as const)(
    'cannot end the worker when the end of %s cannot be stored',
    async (way) => {
      const { app, entries, background } = agentsApp({
        clock: fakeClock(),
        answers: {
          finish_execution: failing,
          decide_tool_call: () => ({
            tool_call_id: 'c',
            status: 'approved',
            waiting: 0,
            continued_by: begunExecution().execution_id,
            continuation: begunExecution(),
          }),
        },
      })
      const { execution_id } = begunExecution()
      const [path, body] = {
        invoke: ['invoke', { message: { content: 'Hello' } }],
        whole: ['invoke', { message: { content: 'Hello' }, stream: false }],
        decide: [`executions/${execution_id}/approvals/c`, { decision: 'approve' }],
        chat: [
          'v1/chat/completions',
          { model: 'droid/m', messages: [{ role: 'user', content: 'H' }] },
        ],
      }[way] as [string, unknown]
      const init = { method: 'POST', body: JSON.stringify(body) }
      const response = await app.request(`/agents/${path}`, init)
      await response.text().catch(() => {
        // A stream is cut here, as it has to be.
      })
      await Promise.all(background)
      const failures = entries.filter(({ code }) => code === 'database_unavailable')
      expect(failures.length).toBeGreaterThan(0)
    },
  )
})

describe('an error that no code handles', () => {
  it.each([
    ['unhandledrejection', 'reason'],
    ['error', 'error'],
  ])('is logged, and its default (%s) prevented: the end of the process', (type, property) => {
    const entries: LogEntry[] = []
    const target = new EventTarget()
    logDefects(target, (entry) => entries.push(entry))
    const event = Object.assign(new Event(type, { cancelable: true }), {
      [property]: new Error('a defect'),
    })
    target.dispatchEvent(event)
    expect(event.defaultPrevented).toBe(true)
    expect(entries).toMatchObject([{ level: 'error', event: 'unhandled_error' }])
    expect(entries[0]?.detail).toContain('a defect')
  })
})
