import { describe, expect, it } from 'vitest'
import {
  eventsOf,
  gate,
  lastIdOf,
  stop,
  StreamReader,
  text,
} from '../support/agents/chat-stream.ts'
import type { ErrorBody } from '../support/agents/invoke.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { STALL } from '../support/agents/raw-provider.ts'
import { type Person, signUpAsMember, signUpWithOrganization } from '../support/people/people.ts'
import { useAgents } from '../support/agents/use-agents.ts'

const made = useAgents({ workers: 2 })
const { sql } = made

const ask = () => made.worker.invoke(made.ann, { agent: made.agent, message: { content: 'Hi' } })
const idOf = (response: Response) => response.headers.get('x-execution-id') ?? ''
const follow = (id: string, person: Person = made.ann) =>
  made.elsewhere.request(person, `executions/${id}/stream`)
const gone =
  /\ndata: \{"type":"error","errorText":"execution_not_found: [^\n]*\n\ndata: \[DONE\]\n\n$/

/** An answer that says a word, and the rest when the test says so. */
function halfAnswer() {
  const { step, open } = gate()
  const [head = '', one = '', ...rest] = eventStream([text('one'), text(' two'), stop])
  made.provider.respond([head, one, step, ...rest])
  return open
}

describe('following', () => {
  it('is bounded per person, and the refusal names its bound; another person is let in', async () => {
    const open = halfAnswer()
    const response = await ask()
    const id = idOf(response)
    const streams = await Promise.all(Array.from({ length: 100 }, () => follow(id)))
    expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]))
    const refused = await follow(id)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '2'])
    const details = { limit: 'followed_executions', max_concurrent: 100 }
    expect((await refused.json()) as ErrorBody).toMatchObject({
      error: { code: 'too_many_requests', details },
    })
    const zoe = await signUpWithOrganization('zoe')
    expect((await follow(id, zoe)).status).toBe(404)
    open()
    const whole = eventsOf(await response.text())
    for (const stream of streams) expect(eventsOf(await stream.text())).toBe(whole)
    expect((await follow(id)).status).toBe(200)
  })

  it('ends for the person that loses the right, and goes on for the others in the same worker', async () => {
    const open = halfAnswer()
    const response = await ask()
    const id = idOf(response)
    const visibility = (value: string) => sql`update public.chat_sessions set visibility = ${value}
      where id = (select session_id from public.agent_executions where id = ${id})`
    await visibility('organization')
    const bob = await signUpAsMember(sql, made.ann.organization, 'bob')
    const [own, bobs] = [
      new StreamReader(await follow(id)),
      new StreamReader(await follow(id, bob)),
    ]
    await Promise.all([own.until('"delta":"one"'), bobs.until('"delta":"one"')])
    await visibility('private')
    expect(await bobs.toEnd()).toMatch(gone)
    open()
    const whole = eventsOf(await response.text())
    expect(eventsOf(await own.toEnd())).toBe(whole)
  })
})

describe('a session that is deleted in the middle of its answer', () => {
  it('ends the stream and its followers with an error, and the call of the model', async () => {
    const [head = '', one = ''] = eventStream([text('one')])
    made.provider.respond([head, one, STALL])
    const calls = made.provider.journal.length
    const response = await ask()
    const id = idOf(response)
    const live = new StreamReader(response)
    await live.until('"delta":"one"')
    const follower = new StreamReader(await follow(id))
    await follower.until('"delta":"one"')
    const seen = lastIdOf(live.text)
    const { error } = await made.ann.client.from('chat_sessions').delete().not('id', 'is', null)
    expect(error).toBeNull()
    expect(await live.toEnd()).toMatch(gone)
    expect(await follower.toEnd()).toMatch(gone)
    expect(lastIdOf(live.text)).toBe(seen)
    await made.provider.journal[calls]?.closed
  })
})
