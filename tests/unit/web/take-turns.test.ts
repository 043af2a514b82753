import { describe, expect, test } from 'vitest'
import { takeTurns } from '../../../web/take-turns.ts'

/** A server whose answers the test gives, in the order of the requests. */
function startServer() {
  const asked: string[] = []
  const answers: ((response: Response) => void)[] = []
  const send: typeof fetch = (input) => {
    asked.push(input instanceof Request ? input.url : String(input))
    return new Promise((resolve) => answers.push(resolve))
  }
  return { asked, send, answer: (response: Response) => answers.shift()?.(response) }
}

const rest = (name: string) => `https://a.example/rest/v1/${name}`
const settle = () => new Promise((resolve) => setTimeout(resolve))

describe('requests to REST', () => {
  test('run two at a time; others do not wait for them', async () => {
    const server = startServer()
    const send = takeTurns(server.send)
    const all = ['a', 'b', 'c'].map((name) => send(rest(name)))
    void send('https://a.example/functions/v1/agents/invoke')
    await settle()
    expect(server.asked.map((one) => one.split('/').at(-1))).toEqual(['a', 'b', 'invoke'])
    server.answer(new Response('1'))
    expect(await (await all[0])?.text()).toBe('1')
    await settle()
    expect(server.asked.at(-1)).toBe(rest('c'))
  })

  test('are sent again when the backend says so, as late as it says, three times in all', async () => {
    const server = startServer()
    const pauses: number[] = []
    const send = takeTurns(server.send, async (seconds) => void pauses.push(seconds))
    const asking = send(rest('a'))
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await settle()
      server.answer(new Response(null, { status: 429, headers: { 'retry-after': `${attempt}` } }))
    }
    expect((await asking).status).toBe(429)
    expect(pauses).toEqual([1, 2])
    expect(server.asked).toHaveLength(3)
  })

  test('free their place when they fail', async () => {
    const send = takeTurns(() => Promise.reject(new TypeError('Failed to fetch')))
    for (let count = 0; count < 5; count += 1) await expect(send(rest('a'))).rejects.toThrow()
  })
})
