import { expect, it } from 'vitest'
import { Follower } from '../../../../supabase/functions/_shared/executions/stream/follower.ts'

it('a follower is told once of a silence, and waits for what comes after it', async () => {
  const follower = new Follower('session', () => undefined)
  const left = new AbortController()
  follower.wake()
  expect(await follower.next(0, left.signal)).toEqual({ kind: 'silence' })
  // Told again and again, one that waits for the end alone would never let its worker go on.
  const next = follower.next(0, left.signal)
  left.abort(new Error('still waiting'))
  await expect(next).rejects.toThrow('still waiting')
})
