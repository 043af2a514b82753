import { expect, it } from 'vitest'
import { FairQueue } from '../../../../dev/process/fair-queue.ts'

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

/** A clock that goes on when it is told to, and what waits for it. */
class Clock {
  time = 0
  #waiting: { at: number; act: () => void }[] = []
  readonly now = (): number => this.time
  readonly after = (ms: number, act: () => void): void => {
    this.#waiting.push({ at: this.time + ms, act })
  }
  pass(ms: number): void {
    this.time += ms
    const due = this.#waiting.filter(({ at }) => at <= this.time)
    this.#waiting = this.#waiting.filter(({ at }) => at > this.time)
    for (const { act } of due) act()
  }
}
const refuse = () => 'refused'
const settle = () => new Promise((resolve) => setImmediate(resolve))

it('answers so many of one key at once, the next in order, and refuses those beyond the line', async () => {
  const clock = new Clock()
  const queue = new FairQueue(2, 1, clock.now, clock.after)
  const [first, second, third] = [new Work(), new Work(), new Work()]
  const answers = [first, second, third].map(({ start }) => queue.run('a', start, refuse))
  let refusal = 'none yet'
  void queue.run('a', new Work().start, refuse).then((answer) => (refusal = answer))
  clock.pass(999)
  await settle()
  expect(refusal, 'a refusal is held back for a second').toBe('none yet')
  clock.pass(1)
  await settle()
  expect(refusal).toBe('refused')
  expect([first, second, third].map(({ began }) => began)).toEqual([true, true, false])
  first.end()
  await settle()
  expect(third.began).toBe(true)
  second.end()
  third.end()
  expect(await Promise.all(answers)).toEqual(['done', 'done', 'done'])
})

it('holds up no other key, and gives the place of work that failed on', async () => {
  const clock = new Clock()
  const queue = new FairQueue(1, 1, clock.now, clock.after)
  const [failing, next, other] = [new Work(), new Work(), new Work()]
  const failed = queue.run('a', failing.start, refuse)
  const waits = queue.run('a', next.start, refuse)
  void queue.run('b', other.start, refuse)
  expect([next.began, other.began]).toEqual([false, true])
  failing.fail()
  await expect(failed).rejects.toThrow('no')
  clock.pass(0)
  await settle()
  expect(next.began).toBe(true)
  next.end()
  expect(await waits).toBe('done')
})

it('lets a line with requests waiting work a quarter of the time while another key asks', async () => {
  const clock = new Clock()
  const queue = new FairQueue(1, 9, clock.now, clock.after)
  const works = [new Work(), new Work(), new Work(), new Work()]
  const [first, second, third, fourth] = works
  const began = () => works.map((work) => work.began)
  for (const { start } of works) void queue.run('a', start, refuse)

  clock.pass(20)
  first?.end()
  await settle()
  expect(began(), 'nobody else asks').toEqual([true, true, false, false])

  expect(await queue.run('b', () => Promise.resolve('at once'), refuse)).toBe('at once')
  clock.pass(20)
  second?.end()
  await settle()
  clock.pass(59)
  await settle()
  expect(began(), 'three times the 20 ms have not passed').toEqual([true, true, false, false])
  clock.pass(1)
  await settle()
  expect(began()).toEqual([true, true, true, false])

  clock.pass(3_000)
  expect(await queue.run('b', () => Promise.resolve('at once'), refuse)).toBe('at once')
  third?.end()
  await settle()
  clock.pass(250)
  await settle()
  expect(fourth?.began, 'no pause is longer than 250 ms').toBe(true)
})

it('never begins what waits when its client leaves, and gives its place in the line on', async () => {
  const queue = new FairQueue(1, 1)
  const [runs, abandoned, next] = [new Work(), new Work(), new Work()]
  const left = new AbortController()
  const answers = [queue.run('a', runs.start, refuse)]
  answers.push(queue.run('a', abandoned.start, refuse, left.signal))
  left.abort()
  answers.push(queue.run('a', next.start, refuse))
  runs.end()
  await settle()
  expect([abandoned.began, next.began]).toEqual([false, true])
  next.end()
  expect(await Promise.all(answers)).toEqual(['done', 'refused', 'done'])
})
