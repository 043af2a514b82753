import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../../../supabase/functions/_shared/errors.ts'
import { SharedPolls } from '../../../../supabase/functions/_shared/executions/stream/shared-polls.ts'
import {
  awaitExecution,
  followExecution,
  longestUnread,
} from '../../../../supabase/functions/_shared/executions/stream/follow-execution.ts'
import { keptLength } from '../../../../supabase/functions/_shared/executions/stream/shared-events.ts'
import {
  endText,
  eventsText,
  goneText,
  keepAlive,
} from '../../../../supabase/functions/_shared/executions/stream/ui-message-stream.ts'
import { PersonLimit } from '../../../../supabase/functions/_shared/http/person-limit.ts'
import { createWaitUntil } from '../../../../supabase/functions/_shared/http/wait-until.ts'
import {
  begunExecution,
  fakeDatabase,
  memoryLog,
  storedEnd,
} from '../../../support/agents/agents-fixture.ts'
import { StreamReader } from '../../../support/agents/chat-stream.ts'
import { ManualClock } from '../../../support/clocks.ts'

const { execution_id } = begunExecution()
const settle = async () => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** An execution that others follow, and what the database answers to the looks at it. */
function followed(bound = 100) {
  const clock = new ManualClock(0)
  const log = memoryLog()
  const revoked = new Set<string>()
  let away = false
  let gone = false
  let held: Promise<void> | null = null
  const looks: unknown[][] = []
  const { admin, db, calls } = fakeDatabase({
    ...log.answers,
    follow_execution: async (args) => {
      await held
      if (away) throw new AppError('database_unavailable')
      const sessions = args['sessions'] as string[]
      looks.push(sessions)
      const look = log.answers['follow_execution']?.(args) as object
      return gone ? null : { ...look, readers: sessions.filter((id) => !revoked.has(id)) }
    },
  })
  const quiet = () => undefined
  const polls = new SharedPolls({ admin, clock, log: quiet, waitUntil: createWaitUntil(quiet) })
  const deps = { db, polls, followers: new PersonLimit('followed', bound), clock, log: quiet }
  const caller = (sessionId: string) => ({ userId: 'u', sessionId, organizationId: 7 })
  let said = 0
  return {
    clock,
    looks,
    log,
    follow: async (sessionId = 's', after = 0) =>
      followExecution(deps, caller(sessionId), execution_id, after),
    wait: (signal: AbortSignal) => awaitExecution(deps, caller('s'), execution_id, signal),
    ownReads: () => calls.filter(({ name }) => name === 'read_execution').length,
    revoke: (sessionId: string) => revoked.add(sessionId),
    remove: () => (gone = true),
    leaveAlone: (isAway: boolean) => (away = isAway),
    /** The next look is on its way until the returned function is called. */
    hold() {
      let go: () => void = () => undefined
      held = new Promise<void>((resolve) => (go = resolve))
      return () => {
        held = null
        go()
      }
    },
    say(...deltas: string[]) {
      const events = deltas.map((delta) => ({ type: 'text-delta', id: 'text-1', delta }))
      log.batches.push({ seq: said + 1, events })
      said += events.length
    },
    /** What a client that has events up to an id is sent in all. */
    textAfter(after: number, end?: ReturnType<typeof storedEnd>): string {
      const events = log.batches.flatMap(({ events }) =>
        events.map((event) => JSON.stringify(event)),
      )
      const text = eventsText(after + 1, events.slice(after))
      const position = { id: events.length, open: { kind: 'text', id: 'text-1' } } as const
      return end ? text + endText(execution_id, position, end, after) : text
    },
    async pass(milliseconds: number) {
      for (let passed = 0; passed < milliseconds; passed += 250) {
        clock.advance(250)
        await settle()
      }
    },
  }
}

const success = storedEnd({ status: 'success', finish_reason: 'stop', content: 'x' })

describe('followers of one execution', () => {
  it('cost one look per interval together, and each is sent the same bytes from where it stands', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(12), { minLength: 1, maxLength: 8 }),
        fc.array(fc.array(fc.string(), { maxLength: 4 }), { minLength: 1, maxLength: 8 }),
        async (starts, steps) => {
          const { say, follow, pass, looks, log, textAfter } = followed()
          say(...Array.from({ length: 12 }, (_, n) => `${n}`))
          const streams = await Promise.all(starts.map((after, n) => follow(`s${n}`, after)))
          const read = streams.map((response) => response.text())
          for (const deltas of steps) {
            if (deltas.length > 0) say(...deltas)
            await pass(250)
          }
          log.end(success)
          await pass(250)
          expect(await Promise.all(read)).toEqual(starts.map((after) => textAfter(after, success)))
          expect(looks.length).toBe(steps.length + 1)
        },
      ),
      { numRuns: 15 },
    )
  })

  it('include one that joins later, and one that only waits for the end', async () => {
    const { say, follow, wait, pass, looks, log, textAfter, ownReads } = followed()
    const waiting = wait(new AbortController().signal)
    await pass(500)
    say('a')
    const first = (await follow('s1')).text()
    say('b', 'c')
    await pass(250)
    const second = (await follow('s2', 1)).text()
    say('d')
    await pass(250)
    log.end(success)
    await pass(250)
    expect(await first).toBe(textAfter(0, success))
    expect(await second).toBe(textAfter(1, success))
    expect(await waiting).toEqual(success)
    expect(looks.length).toBe(5)
    // Each reads once by itself, when it comes.
    expect(ownReads()).toBe(2)
  })

  it('hear that the connection lives while nothing is said', async () => {
    const { follow, pass } = followed()
    const stream = new StreamReader(await follow())
    const heard = stream.until(keepAlive)
    await pass(10_500)
    expect(await heard).toBe(keepAlive)
  })
})

describe('a follower that loses its right', () => {
  it('is told at the next look, and nothing of what that look found; the others go on', async () => {
    const { say, follow, pass, revoke, log, textAfter } = followed()
    const kept = (await follow('kept')).text()
    const lost = (await follow('lost')).text()
    say('for both')
    await pass(250)
    const before = textAfter(0)
    revoke('lost')
    say('not for the other')
    await pass(250)
    expect(await lost).toBe(before + goneText())
    log.end(success)
    await pass(250)
    expect(await kept).toBe(textAfter(0, success))
  })

  it('is given nothing by a look that did not ask for it', async () => {
    const { say, follow, pass, revoke, hold } = followed()
    const first = (await follow('first')).body?.getReader()
    const arrive = hold()
    await pass(250)
    const late = (await follow('late')).text()
    revoke('late')
    say('not for the late one')
    arrive()
    await settle()
    expect(new TextDecoder().decode((await first?.read())?.value)).toContain('not for the late one')
    await pass(250)
    expect(await late).toBe(goneText())
  })

  it('hears a terminal error when the execution is deleted, as does one that waits', async () => {
    const { follow, wait, pass, remove } = followed()
    const text = (await follow()).text()
    const waiting = wait(new AbortController().signal).catch((error: unknown) => error)
    remove()
    await pass(250)
    expect(await text).toMatch(
      /^data: \{"type":"error","errorText":"execution_not_found: .*\n\ndata: \[DONE\]\n\n$/,
    )
    expect(await waiting).toMatchObject({ code: 'execution_not_found' })
  })
})

describe('a follower that reads slowly', () => {
  it('keeps nothing here beyond a bound, and reads by itself what it has missed', async () => {
    const { say, follow, pass, log, textAfter, ownReads } = followed()
    const slow = new StreamReader(await follow('slow'))
    const quick = (await follow('quick')).text()
    const piece = 'x'.repeat(keptLength / 8)
    for (let n = 0; n < 20; n += 1) {
      say(`${n}${piece}`)
      await pass(250)
    }
    expect(ownReads()).toBe(2)
    log.end(success)
    await pass(250)
    expect(await slow.toEnd()).toBe(textAfter(0, success))
    expect(await quick).toBe(textAfter(0, success))
    expect(ownReads()).toBe(3)
  })

  it('is disconnected when it does not read at all, and frees its place', async () => {
    const { say, follow, pass, clock } = followed(1)
    const response = await follow()
    say('a')
    await pass(longestUnread + 250)
    await expect(response.text()).rejects.toThrow('does not read')
    await pass(500)
    expect(clock.timers).toBe(0)
    await expect(follow()).resolves.toHaveProperty('status', 200)
  })
})

describe('what one person follows at once', () => {
  it('is bounded; a place is free again when one leaves, ends, is refused or finds nothing', async () => {
    const { follow, wait, pass, log, remove } = followed(2)
    const refusal = {
      code: 'too_many_requests',
      headers: { 'retry-after': '2' },
      details: { limit: 'followed', max_concurrent: 2 },
    }
    const stream = (await follow()).body?.getReader()
    const left = new AbortController()
    const waiting = wait(left.signal).catch((error: unknown) => error)
    await expect(follow()).rejects.toMatchObject(refusal)
    await expect(wait(left.signal)).rejects.toMatchObject(refusal)
    await stream?.cancel()
    left.abort()
    expect(await waiting).toMatchObject({ code: 'execution_in_progress' })
    const two = await Promise.all([follow(), follow()])
    remove()
    const texts = two.map((response) => response.text())
    await pass(250)
    await Promise.all(texts)
    log.end(success)
    for (let n = 0; n < 3; n += 1) await (await follow()).text()
    for (let n = 0; n < 3; n += 1) expect((await follow('s', 9)).status).toBe(204)
  })

  it('ends the looks when all have left', async () => {
    const { follow, wait, pass, looks, clock } = followed()
    const stream = (await follow()).body?.getReader()
    const left = new AbortController()
    const waiting = wait(left.signal).catch((error: unknown) => error)
    await pass(250)
    await stream?.cancel()
    left.abort()
    await waiting
    const { length } = looks
    await pass(1_000)
    expect(looks).toHaveLength(length)
    expect(clock.timers).toBe(0)
  })
})

const lostText = new AppError('database_unavailable').message

describe('a database that is away', () => {
  it.each([
    [8, true],
    [9, false],
  ])('for %i looks is outlived by followers and waiters: %s', async (count, outlived) => {
    const { follow, wait, pass, leaveAlone, say, log, textAfter } = followed()
    const text = (await follow()).text().catch((error: Error) => error.message)
    const result = wait(new AbortController().signal).catch((error: unknown) => error)
    leaveAlone(true)
    await pass(250 * count)
    leaveAlone(false)
    say('back')
    log.end(success)
    await pass(250)
    expect(await text).toBe(outlived ? textAfter(0, success) : lostText)
    const lost = { code: 'database_unavailable' }
    expect(await result).toMatchObject(outlived ? { status: 'success' } : lost)
  })
})
