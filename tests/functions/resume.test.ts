import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { eventTypes, readEvents } from '../support/agents/agents-fixture.ts'
import { type AgentsWorker, startAgentsWorker } from '../support/agents/agents-worker.ts'
import {
  answerOf,
  eventsOf,
  gate,
  lastIdOf,
  slowAnswer,
  stop,
  StreamReader,
  text,
} from '../support/agents/chat-stream.ts'
import type { ErrorBody } from '../support/agents/invoke.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { STALL } from '../support/agents/raw-provider.ts'
import { type Person, signUpWithOrganization } from '../support/people/people.ts'
import { randomFrom } from '../support/random.ts'
import { useAgents } from '../support/agents/use-agents.ts'

const made = useAgents({ workers: 2 })
const { sql } = made

const ask = (worker: AgentsWorker, body: object = {}) =>
  worker.invoke(made.ann, { agent: made.agent, message: { content: 'Hi' }, ...body })
const idOf = (response: Response) => response.headers.get('x-execution-id') ?? ''
const follow = (worker: AgentsWorker, id: string, after?: number, person: Person = made.ann) =>
  worker.request(person, `executions/${id}/stream`, {
    ...(after !== undefined && { headers: { 'last-event-id': String(after) } }),
  })
const storedText = async (id: string) => {
  const [row] = await sql<{ content: string }[]>`
    select m.content from public.chat_messages m
    join public.agent_executions x on x.response_message_id = m.id where x.id = ${id}`
  return row?.content
}
const statusOf = (id: string) => sql<{ status: string; error_code: string | null }[]>`
  select status, error_code from public.agent_executions where id = ${id}`

const pieces = Array.from({ length: 60 }, (_, index) => `piece ${index} 🎈é\n\n`)

describe('a client that is cut anywhere and resumes on another worker', () => {
  it('has the same bytes, and the stored text, after any of 80 cuts of a finished stream', async () => {
    made.provider.respond(slowAnswer(pieces, 5))
    const response = await ask(made.worker)
    const whole = eventsOf(await response.text())
    const id = idOf(response)
    const next = randomFrom(7)
    for (let round = 0; round < 80; round += 1) {
      const first = new StreamReader(await follow(round % 2 ? made.worker : made.elsewhere, id))
      const read = await first.atLeast(Math.floor(next() * whole.length))
      await first.cancel()
      const seen = eventsOf(read.slice(0, Math.floor(next() * read.length)))
      const rest = await follow(round % 2 ? made.elsewhere : made.worker, id, lastIdOf(seen))
      const joined = seen + eventsOf(await rest.text())
      expect(joined).toBe(whole)
      expect(answerOf(joined)).toBe(pieces.join(''))
    }
    expect(await storedText(id)).toBe(pieces.join(''))
  }, 60_000)

  it('has them too when 20 clients are cut again and again while it streams', async () => {
    made.provider.respond(slowAnswer(pieces, 25))
    const response = await ask(made.worker)
    const id = idOf(response)
    const next = randomFrom(11)
    const clients = Array.from({ length: 20 }, async (_, client) => {
      let joined = ''
      for (let turn = 0; !joined.includes('[DONE]'); turn += 1) {
        const worker = (client + turn) % 2 ? made.worker : made.elsewhere
        const stream = await follow(worker, id, lastIdOf(joined))
        if (stream.status === 204) break
        const reader = new StreamReader(stream)
        await reader.atLeast(1 + Math.floor(next() * 2_500))
        joined += eventsOf(reader.text)
        await reader.cancel()
      }
      return joined
    })
    const whole = eventsOf(await response.text())
    for (const joined of await Promise.all(clients)) expect(joined).toBe(whole)
    expect(answerOf(whole)).toBe(await storedText(id))
  })

  it('goes on from what it saw live, though that was not stored yet', async () => {
    const { step, open } = gate()
    const [head = '', one = '', two = '', ...rest] = eventStream([text('one'), text(' two'), stop])
    made.provider.respond([head, one, { delayMs: 60 }, two, step, ...rest])
    const response = await ask(made.worker)
    const live = new StreamReader(response)
    const seen = eventsOf(await live.until(' two'))
    await live.cancel()
    const resumed = follow(made.elsewhere, idOf(response), lastIdOf(seen))
    open()
    const joined = seen + eventsOf(await (await resumed).text())
    expect(joined).toBe(eventsOf(await (await follow(made.worker, idOf(response))).text()))
    expect(answerOf(joined)).toBe('one two')
  })
})

describe('a stream that is read again', () => {
  it.each([
    ['succeeded', [...eventStream([text('Hel'), text('lo'), stop])], 'finish'],
    ['failed', [...eventStream([text('Hel'), text('lo')])], 'error'],
    ['failed before its first word', [...eventStream([])], 'error'],
  ])('of an execution that %s is the same, byte by byte', async (_, script, end) => {
    made.provider.respond(script)
    const response = await ask(made.worker)
    const live = await response.text()
    expect(eventTypes(live).slice(-2)).toEqual([end, '[DONE]'])
    for (const worker of [made.worker, made.elsewhere]) {
      expect(await (await follow(worker, idOf(response))).text()).toBe(live)
    }
    const query = await made.worker.request(made.ann, `executions/${idOf(response)}/stream?after=2`)
    expect(await query.text()).toBe(live.slice(live.indexOf('id: 3\n')))
  })

  it('is followed while it runs, and arrives before its end', async () => {
    const { step, open } = gate()
    const [head = '', one = '', ...rest] = eventStream([text('one'), text(' two'), stop])
    made.provider.respond([head, one, step, ...rest])
    const response = await ask(made.worker)
    const follower = new StreamReader(await follow(made.elsewhere, idOf(response)))
    await follower.until('"delta":"one"')
    expect(await statusOf(idOf(response))).toMatchObject([{ status: 'running' }])
    open()
    expect(eventsOf(await follower.toEnd())).toBe(eventsOf(await response.text()))
  })

  it('is 204 for a client that has it all, and goes on after any other event', async () => {
    made.provider.respond(eventStream([text('Hello'), stop]))
    const response = await ask(made.worker)
    const last = lastIdOf(await response.text())
    for (const after of [last, last + 1, 10_000_000]) {
      const nothing = await follow(made.elsewhere, idOf(response), after)
      expect(nothing.status).toBe(204)
      expect(await nothing.text()).toBe('')
    }
    const rest = await (await follow(made.elsewhere, idOf(response), last - 1)).text()
    expect(rest).toBe(`id: ${last}\ndata: [DONE]\n\n`)
  })

  it('believes the header before the address, as an EventSource needs', async () => {
    made.provider.respond(eventStream([text('Hello'), stop]))
    const response = await ask(made.worker)
    const last = lastIdOf(await response.text())
    const target = `executions/${idOf(response)}/stream?after=0`
    const answer = await made.worker.request(made.ann, target, {
      headers: { 'last-event-id': `${last}` },
    })
    expect(answer.status).toBe(204)
  })

  it.each(['-1', 'x', '1.5', '9999999999999999'])(
    'refuses %s as the id of an event',
    async (id) => {
      const target = `executions/${randomUUID()}/stream`
      const headers = { 'last-event-id': id }
      const response = await made.worker.request(made.ann, target, { headers })
      expect(response.status).toBe(400)
      expect(((await response.json()) as ErrorBody).error.path).toBe('Last-Event-ID')
    },
  )
})

describe('a person who may not read the session', () => {
  it('gets the same 404 as for an execution that does not exist', async () => {
    made.provider.respond(eventStream([text('Hello'), stop]))
    const response = await ask(made.worker)
    await response.text()
    const bob = await signUpWithOrganization('bob')
    const bodies = []
    for (const id of [idOf(response), randomUUID(), 'not-a-uuid']) {
      const answer = await follow(made.worker, id, undefined, bob)
      expect(answer.status).toBe(404)
      bodies.push(await answer.text())
    }
    expect(new Set(bodies).size).toBe(1)
    expect(bodies[0]).toContain('execution_not_found')
  })

  it('is told so, by an error that has no id, when that changes in the middle', async () => {
    const [head = '', one = ''] = eventStream([text('one')])
    made.provider.respond([head, one, STALL])
    const response = await ask(made.worker)
    const follower = new StreamReader(await follow(made.elsewhere, idOf(response)))
    await follower.until('"delta":"one"')
    await sql`update public.users set is_active = false where id = ${made.ann.id}`
    // Without an id.
    expect(await follower.toEnd()).toContain('\n\ndata: {"type":"error","errorText":"execution_not')
    await response.body?.cancel()
  })
})

describe('a worker that is killed in the middle of its answer', () => {
  it('leaves an interrupted execution: partial text kept, budget settled, followers told', async () => {
    await sql`insert into client_mgmt.budgets (organization_id, period, limit_tokens)
      values (${made.ann.organization.id}, 'day', 1000000)`
    const doomed = await startAgentsWorker(made.variables())
    try {
      const [head = '', one = ''] = eventStream([text('What was said.')])
      made.provider.respond([head, one, STALL])
      const response = await ask(doomed)
      const id = idOf(response)
      const live = new StreamReader(response)
      await live.until('What was said.')
      const follower = new StreamReader(await follow(made.elsewhere, id))
      await follower.until('What was said.')
      const [reserved] = await sql`select reserved_tokens > 0 as reserved, settled_at
        from client_mgmt.budget_reservations where execution_id = ${id}`
      expect(reserved).toEqual({ reserved: true, settled_at: null })

      doomed.kill()
      await expect(live.toEnd()).rejects.toThrow()
      expect(await statusOf(id)).toMatchObject([{ status: 'running' }])
      await sql`update public.agent_executions set lease_expires_at = now() where id = ${id}`
      const stream = await follower.toEnd()
      expect(eventTypes(stream).slice(-3)).toEqual(['text-end', 'error', '[DONE]'])
      expect(stream).toContain('"errorText":"interrupted: ')

      expect(await statusOf(id)).toEqual([{ status: 'failed', error_code: 'interrupted' }])
      expect(await storedText(id)).toBe('What was said.')
      const [settled] =
        await sql`select r.settled_at is not null as settled, c.reserved_tokens::int as open,
          c.settled_tokens::int as spent
        from client_mgmt.budget_reservations r
        join client_mgmt.budget_counters c using (organization_id, budget_id, period_start)
        where r.execution_id = ${id}`
      expect(settled).toMatchObject({ settled: true, open: 0 })
      expect(settled?.spent).toBeGreaterThan(0)
      const { data } = await made.ann.client.from('chat_messages').select('role, content')
      expect(data).toContainEqual({ role: 'user', content: 'Hi' })

      // A client that saw more than was stored is told the whole end all the same.
      const again = await (await follow(made.worker, id, lastIdOf(live.text) + 40)).text()
      expect(eventTypes(again)).toEqual(['text-end', 'error', '[DONE]'])
      expect(await (await follow(made.worker, id)).text()).toBe(eventsOf(stream))
    } finally {
      await doomed.close()
    }
  })
})

describe('writing events', () => {
  it('costs at most one database call per second', async () => {
    made.provider.respond(slowAnswer(pieces, 25))
    const response = await ask(made.worker)
    await response.text()
    // All that were made until the end, the last one of which brought the end.
    const [calls] = await sql<{ made: number; allowed: number }[]>`
      select count(*)::int as made,
        2 + floor(extract(epoch from x.completed_at - x.created_at))::int as allowed
      from public.agent_executions x
      join conversation.execution_events e on e.execution_id = x.id
      where x.id = ${idOf(response)} group by x.completed_at, x.created_at`
    expect(calls?.made).toBeGreaterThan(1)
    expect(calls?.made).toBeLessThanOrEqual(calls?.allowed ?? 0)
  })

  it('keeps half of a character until the other half comes, and drops what cannot be stored', async () => {
    const [high = '', low = ''] = '🎈'.split('')
    const piece = (content: string) =>
      `data: {"id":"g","choices":[{"delta":{"content":"${content}"}}]}\n\n`
    const escape = (half: string) => `\\u${half.charCodeAt(0).toString(16)}`
    made.provider.respond(
      eventStream([piece(`a${escape(high)}`), piece(`${escape(low)}b`), piece('\\u0000c'), stop]),
    )
    const response = await ask(made.worker)
    const live = await response.text()
    expect(answerOf(live)).toBe('a🎈b\uFFFDc')
    await expect.poll(() => storedText(idOf(response))).toBe('a🎈b\uFFFDc')
    expect(await (await follow(made.elsewhere, idOf(response))).text()).toBe(live)
    expect(readEvents(live).at(-2)?.data).toMatchObject({ type: 'finish' })
  })
})
