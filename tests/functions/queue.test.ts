import { describe, expect, it } from 'vitest'
import { eventTypes } from '../support/agents/agents-fixture.ts'
import {
  answerOf,
  eventsOf,
  gate,
  stop,
  StreamReader,
  text,
} from '../support/agents/chat-stream.ts'
import { countWritten, type ErrorBody } from '../support/agents/invoke.ts'
import { eventStream, json } from '../support/agents/raw-http.ts'
import { useAgents } from '../support/agents/use-agents.ts'

const made = useAgents({ workers: 2 })
const { sql } = made

const idOf = (response: Response) => response.headers.get('x-execution-id') ?? ''
const statusOf = async (id: string) => {
  const [row] = await sql<{ status: string }[]>`
    select status from public.agent_executions where id = ${id}`
  return row?.status
}

/** A session whose first execution runs until `open` is called. */
async function busySession() {
  const { step, open } = gate()
  const [head = '', one = '', ...rest] = eventStream([text('First'), text(' answer'), stop])
  made.provider.respond(({ body }, index) => {
    if (index === 0) return [head, one, step, ...rest]
    const content = `Answer ${index}`
    if (body.includes('"stream":true')) return eventStream([text(content), stop])
    return [json(200, { id: 'g', choices: [{ message: { content }, finish_reason: 'stop' }] })]
  })
  const first = await made.worker.invoke(made.ann, {
    agent: made.agent,
    message: { content: 'First question' },
  })
  const stream = new StreamReader(first)
  await stream.until('"delta":"First"')
  const session_id = /"session_id":"([^"]+)"/.exec(stream.text)?.[1] ?? ''
  const ask = (content: string, rest: object = {}, from = made.elsewhere) =>
    from.invoke(made.ann, { session_id, message: { content }, ...rest })
  return { stream, open, ask, session_id }
}

describe('a session that is busy', () => {
  it('refuses another execution with 409, and nothing is written', async () => {
    const { ask, open, stream } = await busySession()
    const before = await countWritten(sql, made.ann.organization)
    for (const rest of [{}, { on_busy: 'refuse' }]) {
      const response = await ask('Second', rest)
      expect(response.status).toBe(409)
      expect(((await response.json()) as ErrorBody).error.code).toBe('session_busy')
    }
    expect(await countWritten(sql, made.ann.organization)).toEqual(before)
    open()
    await stream.toEnd()
  })

  it('queues executions on request: in order, each with the answers before it', async () => {
    const { ask, open, stream } = await busySession()
    const second = await ask('Second question', { on_busy: 'queue' })
    expect(second.status).toBe(200)
    const third = ask('Third question', { on_busy: 'queue', stream: false }, made.worker)
    // Each look at whether it is their turn keeps them alive: both have looked twice by then.
    const waiting = () => sql`
      select from public.agent_executions
      where organization_id = ${made.ann.organization.id} and status = 'pending'
        and lease_expires_at > created_at + interval '9 seconds'`
    await expect.poll(waiting).toHaveLength(2)
    expect(made.provider.journal).toHaveLength(1)
    const follower = made.worker.request(made.ann, `executions/${idOf(second)}/stream`)
    open()
    await stream.toEnd()
    const secondStream = await second.text()
    expect(answerOf(secondStream)).toBe('Answer 1')
    expect(eventsOf(await (await follower).text())).toBe(eventsOf(secondStream))
    expect(await (await third).json()).toMatchObject({ message: { content: 'Answer 2' } })
    const asked = JSON.parse(made.provider.journal[2]?.body ?? '') as {
      messages: { content: string }[]
    }
    expect(asked.messages.map(({ content }) => content)).toEqual([
      'First question',
      'First answer',
      'Second question',
      'Answer 1',
      'Third question',
    ])
  })

  it('lets a waiting execution be cancelled, which never calls the provider', async () => {
    const { ask, open, stream } = await busySession()
    const second = await ask('Second question', { on_busy: 'queue' })
    const cancel = await made.worker.request(made.ann, `executions/${idOf(second)}/cancel`, {
      method: 'POST',
    })
    expect(await cancel.json()).toMatchObject({ status: 'cancelled' })
    const live = await second.text()
    expect(eventTypes(live)).toEqual(['abort', '[DONE]'])
    const replay = await made.worker.request(made.ann, `executions/${idOf(second)}/stream`)
    expect(await replay.text()).toBe(eventsOf(live))
    open()
    await stream.toEnd()
    expect(made.provider.journal).toHaveLength(1)
  })

  it('ends a waiting execution with the reason when it cannot start any more', async () => {
    const { ask, open, stream } = await busySession()
    const second = await ask('Second question', { on_busy: 'queue' })
    await sql`update public.models set enabled = false
      where organization_id = ${made.ann.organization.id}`
    open()
    await stream.toEnd()
    const live = await second.text()
    expect(live).toContain('"errorText":"model_not_found: ')
    expect(await statusOf(idOf(second))).toBe('failed')
    expect(made.provider.journal).toHaveLength(1)
  })
})
