import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../../../supabase/functions/_shared/errors.ts'
import {
  appendInterval,
  EventLog,
  firstAppendDelay,
  heartbeatInterval,
} from '../../../../supabase/functions/_shared/executions/stream/event-log.ts'
import { begunExecution, fakeDatabase } from '../../../support/agents/agents-fixture.ts'
import { ManualClock } from '../../../support/clocks.ts'

/** Lets everything go on that waits for nothing but other promises. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

function open(answers: Parameters<typeof fakeDatabase>[0] = {}) {
  const clock = new ManualClock(0)
  const { admin, calls } = fakeDatabase(answers)
  const ended: unknown[] = []
  const errors: unknown[] = []
  const times: number[] = []
  const timed = new Proxy(admin, {
    get: (target, name: 'call' | 'role') =>
      name === 'role'
        ? target.role
        : (...args: Parameters<typeof target.call>) => {
            times.push(clock.now())
            return target.call(...args)
          },
  })
  const log = new EventLog(timed, begunExecution(), {
    clock,
    onEnded: (status) => ended.push(status),
    onError: (error) => errors.push(error),
  })
  const pass = async (milliseconds: number) => {
    for (let passed = 0; passed < milliseconds; passed += 10) {
      clock.advance(10)
      await settle()
    }
  }
  const batches = () =>
    calls
      .filter(({ name }) => name === 'append_execution_events')
      .map(({ args }) => ({ seq: args.seq, events: JSON.parse(String(args.events)) as unknown[] }))
  return { log, pass, times, ended, errors, batches, calls }
}

describe('the log of a stream', () => {
  it('makes at most one call per interval, however many events come, and loses none', async () => {
    const { log, pass, times, batches } = open()
    for (let index = 0; index < 300; index += 1) {
      log.append([`${index}`])
      await pass(10)
    }
    const { events, events_seq } = await log.stop()
    expect(times[0]).toBe(firstAppendDelay)
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(appendInterval)
    expect(times.length).toBeLessThanOrEqual(Math.ceil(3_000 / appendInterval))
    const all = [...batches(), { seq: events_seq, events: JSON.parse(events ?? '[]') as unknown[] }]
    let next = 1
    for (const { seq, events: some } of all) {
      expect(seq).toBe(next)
      next += some.length
    }
    expect(all.flatMap(({ events: some }) => some)).toEqual(
      Array.from({ length: 300 }, (_, i) => i),
    )
  })

  it('needs no call for a short answer: everything goes with the end', async () => {
    const { log, pass, times } = open()
    log.append(['1', '2'])
    await pass(firstAppendDelay - 10)
    expect(await log.stop()).toEqual({ events: '[1,2]', events_seq: 1 })
    await pass(2 * heartbeatInterval)
    expect(times).toEqual([])
  })

  it('is a sign of life in silence, and a look for a cancel', async () => {
    const statuses = ['running', 'cancelling']
    const { pass, ended, calls } = open({ renew_execution_lease: () => statuses.shift() })
    await pass(heartbeatInterval)
    expect(ended).toEqual([])
    await pass(heartbeatInterval)
    expect(ended).toEqual(['cancelling'])
    await pass(10 * heartbeatInterval)
    expect(calls).toHaveLength(2)
  })

  it('looks for a cancel within one interval of it, whatever the model says meanwhile', async () => {
    const spoken = fc.array(fc.integer({ min: 0, max: 600 }), { maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(spoken, fc.integer({ min: 0, max: 600 }), async (words, moment) => {
        let time = 0
        const status = () => (time >= moment * 10 ? 'cancelling' : 'running')
        const answers = { renew_execution_lease: status, append_execution_events: status }
        const { log, pass, ended } = open(answers)
        for (; time < moment * 10 + heartbeatInterval; time += 10) {
          if (words.includes(time / 10)) log.append(['1'])
          await pass(10)
        }
        expect(ended).toEqual(['cancelling'])
        await log.stop()
      }),
      { numRuns: 30 },
    )
  })

  it('learns of a cancel with a batch, and still has what came after it', async () => {
    const { log, pass, ended } = open({ append_execution_events: () => 'cancelling' })
    log.append(['1'])
    await pass(firstAppendDelay)
    expect(ended).toEqual(['cancelling'])
    log.append(['2'])
    await pass(1_000)
    expect(await log.stop()).toEqual({ events: '[2]', events_seq: 2 })
  })

  it('sends a batch that was not acknowledged again, with what came meanwhile', async () => {
    let failures = 2
    const { log, pass, errors, batches } = open({
      append_execution_events: () => {
        if (failures-- > 0) throw new AppError('database_unavailable')
        return 'running'
      },
    })
    log.append(['1'])
    await pass(firstAppendDelay)
    log.append(['2'])
    await pass(appendInterval)
    log.append(['3'])
    await pass(appendInterval)
    expect(errors).toHaveLength(2)
    expect(batches()).toEqual([
      { seq: 1, events: [1] },
      { seq: 1, events: [1, 2] },
      { seq: 1, events: [1, 2, 3] },
    ])
    expect(await log.stop()).toEqual({})
  })

  it('waits for the call under way before it ends, and takes no event twice', async () => {
    let answer: (status: string) => void = () => undefined
    const { log, pass } = open({
      append_execution_events: () => new Promise((resolve) => (answer = resolve)),
    })
    log.append(['1'])
    await pass(firstAppendDelay)
    log.append(['2'])
    const rest = log.stop()
    answer('running')
    expect(await rest).toEqual({ events: '[2]', events_seq: 2 })
  })
})
