import { beforeEach, describe, expect, it } from 'vitest'
import { stop, text } from '../support/agents/chat-stream.ts'
import { createAgent } from '../support/agents/invoke.ts'
import { eventStream, json } from '../support/agents/raw-http.ts'
import { useAgents } from '../support/agents/use-agents.ts'

const made = useAgents({ workers: 2 })
const { sql } = made

beforeEach(() => {
  made.provider.respond(() => eventStream([text('Hello'), stop]))
})

const ask = async (agent: string, index = 0) => {
  const response = await made.workers[index % 2]?.invoke(made.ann, {
    agent,
    message: { content: 'Hi' },
  })
  return response?.text() ?? ''
}
const callsOf = (model: string) =>
  made.provider.journal.filter(({ body }) => body.includes(`"model":"${model}"`)).length
const breakerOf = async (agent: string, model: string) => {
  const [row] = await sql<{ state: string; failure_count: number }[]>`
    select b.state, b.failure_count::int from public.circuit_breaker_state b
    join public.agents a on a.id = b.agent_id join public.models m on m.id = b.model_id
    where a.name = ${agent} and m.name = ${model}`
  return row
}
/** Opens the breaker of a model as if it had failed some seconds ago. */
const openBreaker = (agent: string, model: string, seconds: number) => sql`
  insert into public.circuit_breaker_state
    (agent_id, model_id, state, failure_count, opened_at, generation)
  select a.id, m.id, 'open', 5, now() - make_interval(secs => ${seconds}), 1
  from public.agents a join public.models m on m.agent_id = a.id
  where a.name = ${agent} and m.name = ${model}`

describe('a model whose breaker is open', () => {
  it('is probed by one of many callers once its time has come, the others go on', async () => {
    const agent = await createAgent(sql, made.ann.organization, ['openrouter', 'openrouter'])
    await openBreaker(agent, 'model-1', 31)
    const streams = await Promise.all(Array.from({ length: 8 }, (_, index) => ask(agent, index)))
    for (const stream of streams) expect(stream).toContain('"type":"finish"')
    // Requests after the successful probe found the breaker closed.
    expect(callsOf('model-1') + callsOf('model-2')).toBe(8)
    expect(await breakerOf(agent, 'model-1')).toEqual({ state: 'closed', failure_count: 0 })
  })

  it('is called once by the probe, however it fails, and the next model answers', async () => {
    const agent = await createAgent(sql, made.ann.organization, ['openrouter', 'openrouter'])
    await openBreaker(agent, 'model-1', 31)
    made.provider.respond(({ body }) =>
      body.includes('model-1')
        ? [json(503, { error: { message: 'no' } })]
        : eventStream([text('Hello'), stop]),
    )
    const streams = await Promise.all(Array.from({ length: 8 }, (_, index) => ask(agent, index)))
    for (const stream of streams) expect(stream).toContain('"model":"model-2"')
    expect(callsOf('model-1')).toBe(1)
    expect(await breakerOf(agent, 'model-1')).toMatchObject({ state: 'open' })
  })

  it('is circuit_open for everyone but the probe when there is no other model', async () => {
    const agent = await createAgent(sql, made.ann.organization, ['openrouter'])
    await openBreaker(agent, 'model-1', 31)
    made.provider.respond([{ delayMs: 300 }, json(503, { error: { message: 'no' } })])
    const streams = await Promise.all(Array.from({ length: 6 }, (_, index) => ask(agent, index)))
    expect(made.provider.journal).toHaveLength(1)
    expect(streams.filter((stream) => stream.includes('provider_error: '))).toHaveLength(1)
    expect(streams.filter((stream) => stream.includes('circuit_open'))).toHaveLength(5)
  })
})

describe('calls that failed before another one answered', () => {
  it('count for their own model’s breaker, one by one', async () => {
    const agent = await createAgent(sql, made.ann.organization, ['openrouter', 'openrouter'])
    made.provider.respond(({ body }) =>
      body.includes('model-1')
        ? [json(503, { error: { message: 'no' } }, { 'retry-after': '0' })]
        : eventStream([text('Hello'), stop]),
    )
    expect(await ask(agent)).toContain('"type":"finish"')
    expect(callsOf('model-1')).toBe(2)
    expect(await breakerOf(agent, 'model-1')).toEqual({ state: 'closed', failure_count: 2 })
    expect(await breakerOf(agent, 'model-2')).toBeUndefined()
  })

  it('do not count when it was not the provider’s fault', async () => {
    const agent = await createAgent(sql, made.ann.organization, ['openrouter', 'openrouter'])
    made.provider.respond(({ body }) =>
      body.includes('model-1')
        ? [json(404, { error: { message: 'no such model' } })]
        : eventStream([text('Hello'), stop]),
    )
    expect(await ask(agent)).toContain('"type":"finish"')
    expect(await breakerOf(agent, 'model-1')).toBeUndefined()
  })

  it('leave the cost to what the provider says it charged', async () => {
    const agent = await createAgent(sql, made.ann.organization, ['openrouter'])
    const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5, cost: 0.0123 }
    const last = `data: ${JSON.stringify({ id: 'g', choices: [], usage })}\n\n`
    made.provider.respond(
      eventStream([text('Hello'), stop.replace('data: [DONE]', `${last}data: [DONE]`)]),
    )
    expect(await ask(agent)).toContain('"cost_usd":0.0123')
  })
})
