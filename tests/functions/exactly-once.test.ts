import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { eventTypes } from '../support/agents/agents-fixture.ts'
import { answerOf, eventsOf, slowAnswer } from '../support/agents/chat-stream.ts'
import { countWritten, type ErrorBody } from '../support/agents/invoke.ts'
import { json } from '../support/agents/raw-http.ts'
import { signInAgain } from '../support/people/people.ts'
import { useAgents } from '../support/agents/use-agents.ts'

const made = useAgents({ workers: 2 })
const { sql } = made

const words = Array.from({ length: 20 }, (_, index) => `word ${index} `)

/** The same request, many times at once, over both made.workers. */
function atOnce(count: number, body: object, headers: Record<string, string> = {}) {
  return Promise.all(
    Array.from({ length: count }, (_, index) => {
      const worker = made.workers[index % made.workers.length]
      if (!worker) throw new Error('there is no worker')
      return worker.invoke(made.ann, body, { headers })
    }),
  )
}

describe('50 requests at once with one key', () => {
  it.each(['Idempotency-Key', 'message.id'])(
    'by %s are one provider call, and everyone gets the same bytes',
    async (kind) => {
      made.provider.respond(slowAnswer(words, 20))
      const id = randomUUID()
      const responses =
        kind === 'message.id'
          ? await atOnce(50, { agent: made.agent, message: { id, content: 'Once' } })
          : await atOnce(
              50,
              { agent: made.agent, message: { content: 'Once' } },
              { 'idempotency-key': id },
            )
      expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]))
      expect(new Set(responses.map(({ headers }) => headers.get('x-execution-id'))).size).toBe(1)
      const streams = await Promise.all(responses.map((response) => response.text()))
      expect(new Set(streams.map(eventsOf)).size).toBe(1)
      expect(eventTypes(streams[0] ?? '').at(-2)).toBe('finish')
      expect(answerOf(streams[0] ?? '')).toBe(words.join(''))
      expect(made.provider.journal).toHaveLength(1)
      expect(await countWritten(sql, made.ann.organization)).toEqual({
        sessions: 1,
        messages: 2,
        executions: 1,
        usage: 1,
        requests: 1,
      })
    },
    30_000,
  )

  it('answers whole and as streams alike', async () => {
    made.provider.respond(() => slowAnswer(words, 10))
    const body = { agent: made.agent, message: { id: randomUUID(), content: 'Once' } }
    const first = atOnce(1, body)
    await made.provider.nextRequest()
    const [streams, answers] = await Promise.all([first, atOnce(4, { ...body, stream: false })])
    const stream = await streams[0]?.text()
    for (const answer of answers) {
      expect(await answer.json()).toMatchObject({
        message: { content: answerOf(stream ?? '') },
        finish_reason: 'stop',
      })
    }
    expect(made.provider.journal).toHaveLength(1)
  })

  it('repeats a failure as it was, without another call', async () => {
    made.provider.respond([json(400, { error: { message: 'no' } })])
    const body = { agent: made.agent, message: { id: randomUUID(), content: 'Once' } }
    const [first] = await atOnce(1, body)
    const stream = await first?.text()
    const [second, whole] = await Promise.all([
      atOnce(1, body),
      atOnce(1, { ...body, stream: false }),
    ])
    expect(await second[0]?.text()).toBe(stream)
    expect(whole[0]?.status).toBe(400)
    expect(made.provider.journal).toHaveLength(1)
  })
})

describe('a key', () => {
  it('is the person’s in the organization: another device repeats, another body is a conflict', async () => {
    made.provider.respond(() => slowAnswer(['Hello'], 1))
    const key = { 'idempotency-key': randomUUID() }
    const body = { agent: made.agent, message: { content: 'Once' } }
    const [first] = await atOnce(1, body, key)
    const stream = eventsOf((await first?.text()) ?? '')
    const phone = await signInAgain(made.ann)
    const again = await made.workers[1]?.invoke(phone, body, { headers: key })
    expect(eventsOf((await again?.text()) ?? '')).toBe(stream)
    const other = await made.workers[1]?.invoke(
      phone,
      { agent: made.agent, message: { content: 'Twice' } },
      { headers: key },
    )
    expect(other?.status).toBe(409)
    expect(((await other?.json()) as ErrorBody).error.code).toBe('idempotency_conflict')
    expect(made.provider.journal).toHaveLength(1)
  })
})
