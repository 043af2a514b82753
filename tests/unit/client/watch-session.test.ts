import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import {
  type LiveChannel,
  type LiveClient,
  watchSession,
  watchSessionsToAnswer,
} from '../../../client/index.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A client of supabase-js whose server the test plays. */
function plainClient() {
  let tell = (_: string) => undefined as void
  let hear = () => undefined as void
  const removed: LiveChannel[] = []
  const topics: string[] = []
  const events: string[] = []
  const channel: LiveChannel = {
    on(_, { event }, heard) {
      events.push(event)
      hear = heard
      return channel
    },
    subscribe(told) {
      tell = told
      return channel
    },
  }
  const client: LiveClient = {
    channel(topic, { config }) {
      topics.push(`${topic} ${config.private ? 'private' : 'public'}`)
      return channel
    },
    removeChannel: async (gone) => removed.push(gone),
  }
  return {
    client,
    topics,
    events,
    removed,
    tell: (state: string) => tell(state),
    hear: () => hear(),
  }
}

it('reads when it joins, when a message comes, and once more after the message’s second', () => {
  const { client, topics, events, removed, tell, hear } = plainClient()
  let reads = 0
  const stop = watchSession(client, 7, 'a-session', () => (reads += 1))
  expect([topics, events, reads]).toEqual([['session:7:a-session private'], ['session_changed'], 0])
  tell('CHANNEL_ERROR')
  expect(reads).toBe(0)
  tell('SUBSCRIBED')
  expect(reads).toBe(1)
  vi.advanceTimersByTime(2_000)
  expect(reads).toBe(2)

  hear()
  vi.advanceTimersByTime(1_999)
  hear()
  expect(reads).toBe(4)
  vi.advanceTimersByTime(2_000)
  expect(reads).toBe(5)
  vi.advanceTimersByTime(60_000)
  expect(reads).toBe(5)

  hear()
  stop()
  vi.advanceTimersByTime(60_000)
  expect([reads, removed.length]).toEqual([6, 1])
})

it('reads the queue of those who answer in the same way', () => {
  const { client, topics, events, tell, hear } = plainClient()
  let reads = 0
  const stop = watchSessionsToAnswer(client, 7, () => (reads += 1))
  tell('SUBSCRIBED')
  hear()
  stop()
  expect([topics, events, reads]).toEqual([
    ['organization:7:answers private'],
    ['session.needs_answer'],
    2,
  ])
})
