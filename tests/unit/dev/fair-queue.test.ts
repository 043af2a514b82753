import { expect, it } from 'vitest'
import { FairQueue } from '../../../dev/process/fair-queue.ts'

/** A piece of work that ends when it is told to. */
class Work {
  began = false
  #settle: { resolve: (text: string) => void; reject: (error: Error) => void } | undefined
  readonly start = (): Promise<string> => {
    this.began = true
    return new Promise((resolve, reject) => (this.#settle = { resolve, reject }))
  }
  end = (): void => this.#settle?.resolve('done')
  fail = (): void => this.#settle?.reject(new Error('no'))
}
const refuse = () => 'refused'
const settle = () => new Promise((resolve) => setImmediate(resolve))

it('answers so many of one key at once, the next in order, and refuses those beyond the line', async () => {
  const queue = new FairQueue(2, 1)
  const [first, second, third] = [new Work(), new Work(), new Work()]
  const answers = [first, second, third].map(({ start }) => queue.run('a', start, refuse))
  expect(await queue.run('a', new Work().start, refuse)).toBe('refused')
  expect([first, second, third].map(({ began }) => began)).toEqual([true, true, false])
  first.end()
  await settle()
  expect(third.began).toBe(true)
  second.end()
  third.end()
  expect(await Promise.all(answers)).toEqual(['done', 'done', 'done'])
})

it('holds up no other key, and gives the place of work that failed on', async () => {
  const queue = new FairQueue(1, 1)
  const [failing, next, other] = [new Work(), new Work(), new Work()]
  const failed = queue.run('a', failing.start, refuse)
  const waits = queue.run('a', next.start, refuse)
  void queue.run('b', other.start, refuse)
  expect([next.began, other.began]).toEqual([false, true])
  failing.fail()
  await expect(failed).rejects.toThrow('no')
  expect(next.began).toBe(true)
  next.end()
  expect(await waits).toBe('done')
})
