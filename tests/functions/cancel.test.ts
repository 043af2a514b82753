import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { eventTypes } from '../support/agents/agents-fixture.ts'
import { startAgentsWorker } from '../support/agents/agents-worker.ts'
import { eventsOf, stop, StreamReader, text } from '../support/agents/chat-stream.ts'
import type { ErrorBody } from '../support/agents/invoke.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { STALL } from '../support/agents/raw-provider.ts'
import { type Person, signInAgain, signUpWithOrganization } from '../support/people/people.ts'
import { useAgents } from '../support/agents/use-agents.ts'

const made = useAgents({ workers: 2 })
const { sql } = made

const ask = (body: object = {}) =>
  made.worker.invoke(made.ann, { agent: made.agent, message: { content: 'Hi' }, ...body })
const idOf = (response: Response) => response.headers.get('x-execution-id') ?? ''
const cancel = (id: string, person: Person = made.ann) =>
  made.elsewhere.request(person, `executions/${id}/cancel`, { method: 'POST' })
const executionOf = async (id: string) => {
  const [row] = await sql<{ status: string; error_code: string | null; content: string | null }[]>`
    select x.status, x.error_code, m.content from public.agent_executions x
    left join public.chat_messages m on m.id = x.response_message_id where x.id = ${id}`
  return row
}

/** An answer that says a word and then nothing more. */
const endless = () => {
  const [head = '', word = ''] = eventStream([text('Half of it')])
  made.provider.respond([head, word, STALL])
}

describe('cancelling from another device, through another worker', () => {
  it.each([
    ['after its first words', true],
    ['before its first word', false],
  ])('stops the provider at the next look, %s', async (_, speaks) => {
    if (speaks) endless()
    else made.provider.respond([STALL])
    const calls = made.provider.journal.length
    const response = await ask()
    const stream = new StreamReader(response)
    await stream.until(speaks ? 'Half of it' : 'start-step')
    await expect.poll(() => made.provider.journal.length).toBe(calls + 1)
    const closed = made.provider.journal[calls]?.closed
    const answer = await cancel(idOf(response), await signInAgain(made.ann))
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ execution_id: idOf(response), status: 'running' })
    await closed

    expect(eventTypes(await stream.toEnd()).slice(-2)).toEqual(['abort', '[DONE]'])
    expect(await executionOf(idOf(response))).toEqual({
      status: 'cancelled',
      error_code: 'execution_cancelled',
      content: speaks ? 'Half of it' : null,
    })
    const replay = await made.elsewhere.request(made.ann, `executions/${idOf(response)}/stream`)
    expect(await replay.text()).toBe(eventsOf(stream.text))
  })

  it('bills what was said, as an estimate', async () => {
    endless()
    const response = await ask()
    const stream = new StreamReader(response)
    await stream.until('Half of it')
    await cancel(idOf(response))
    await stream.toEnd()
    const usage = await sql`
      select input_tokens > 0 as asked, output_tokens::int as output, is_estimated
      from client_mgmt.usage_ledger where execution_id = ${idOf(response)}`
    expect(usage).toEqual([{ asked: true, output: 3, is_estimated: true }])
  })

  it('ends a whole answer too', async () => {
    made.provider.respond([STALL])
    const response = ask({ stream: false })
    const begun = () => sql<{ id: string }[]>`
      select id from public.agent_executions where organization_id = ${made.ann.organization.id}`
    await expect.poll(begun).toHaveLength(1)
    const [{ id } = { id: '' }] = await begun()
    expect(await (await cancel(id)).json()).toMatchObject({ status: 'running' })
    expect((await response).status).toBe(409)
    expect((await (await response).json()) as ErrorBody).toMatchObject({
      error: { code: 'execution_cancelled' },
    })
  })
})

describe('deleting the conversation in the middle of an answer', () => {
  it('stops the provider at the next look, and tells every stream that it is gone', async () => {
    endless()
    const calls = made.provider.journal.length
    const response = await ask()
    const stream = new StreamReader(response)
    await stream.until('Half of it')
    const follower = new StreamReader(
      await made.elsewhere.request(made.ann, `executions/${idOf(response)}/stream`),
    )
    await follower.until('Half of it')
    const { data } = await made.ann.client
      .from('chat_sessions')
      .delete()
      .neq('status', 'x')
      .select('id')
    expect(data).toHaveLength(1)
    await made.provider.journal[calls]?.closed
    for (const ended of [await stream.toEnd(), await follower.toEnd()]) {
      expect(ended).toMatch(
        /"type":"error","errorText":"execution_not_found: .*"\}\n\ndata: \[DONE\]\n\n$/,
      )
    }
    const again = await made.worker.request(made.ann, `executions/${idOf(response)}/stream`)
    expect(again.status).toBe(404)
    const usage = await sql`
      select output_tokens::int as output, is_estimated
      from client_mgmt.usage_ledger where execution_id = ${idOf(response)}`
    expect(usage).toEqual([{ output: 3, is_estimated: true }])
  })
})

describe('what cannot be cancelled', () => {
  it('is an execution that has ended: it stays as it is', async () => {
    made.provider.respond(eventStream([text('Hello'), stop]))
    const response = await ask()
    await response.text()
    expect(await (await cancel(idOf(response))).json()).toMatchObject({ status: 'success' })
    expect(await executionOf(idOf(response))).toMatchObject({ status: 'success' })
  })

  it('is someone else’s: 404 as for an absent one, and it runs on', async () => {
    endless()
    const response = await ask()
    const stream = new StreamReader(response)
    await stream.until('Half of it')
    const bob = await signUpWithOrganization('bob')
    for (const id of [idOf(response), randomUUID(), 'x']) {
      const answer = await cancel(id, bob)
      expect(answer.status).toBe(404)
      expect(((await answer.json()) as ErrorBody).error.code).toBe('execution_not_found')
    }
    const [row] = await sql`select cancel_requested_at from public.agent_executions
      where id = ${idOf(response)}`
    expect(row).toEqual({ cancel_requested_at: null })
    await cancel(idOf(response))
    await stream.toEnd()
  })
})

describe('an execution whose worker is dead', () => {
  it('is cancelled all the same, once its lease is over', async () => {
    const doomed = await startAgentsWorker({
      OPENROUTER_API_KEY: 'sk-or-v1-platform',
      OPENROUTER_BASE_URL: made.provider.url,
    })
    try {
      endless()
      const response = await doomed.invoke(made.ann, {
        agent: made.agent,
        message: { content: 'Hi' },
      })
      const stream = new StreamReader(response)
      await stream.until('Half of it')
      const follower = new StreamReader(
        await made.elsewhere.request(made.ann, `executions/${idOf(response)}/stream`),
      )
      await follower.until('Half of it')
      doomed.kill()
      await expect(stream.toEnd()).rejects.toThrow()
      await cancel(idOf(response))
      await sql`update public.agent_executions set lease_expires_at = now()
        where id = ${idOf(response)}`
      expect(eventTypes(await follower.toEnd()).slice(-2)).toEqual(['abort', '[DONE]'])
      expect(await executionOf(idOf(response))).toMatchObject({
        status: 'cancelled',
        content: 'Half of it',
      })
    } finally {
      await doomed.close()
    }
  })
})
