import { randomUUID } from 'node:crypto'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { answerTo } from '../../dev/functions/local-answers.ts'
import { countWritten } from '../support/agents/invoke.ts'
import { baseURL, clientOf, failure, hello, useOpenAI } from '../support/clients/openai.ts'
import { accessToken } from '../support/people/people.ts'

const made = useOpenAI()
const { sql } = made

/** What is recorded of the person's last execution. */
async function recorded(): Promise<Recorded> {
  const [row] = await sql<Recorded[]>`
    select x.id, x.status, x.finish_reason, s.status as session, s.metadata,
      l.input_tokens::int, l.output_tokens::int, l.is_estimated, l.cost_usd, x.cost_usd as cost,
      q.role as asked_by, q.content as question, a.content as answer
    from public.agent_executions x
    join public.chat_sessions s using (organization_id)
    join client_mgmt.usage_ledger l on l.organization_id = x.organization_id and l.execution_id = x.id
    join public.chat_messages q on q.organization_id = x.organization_id and q.id = x.message_id
    left join public.chat_messages a
      on a.organization_id = x.organization_id and a.id = x.response_message_id
    where x.organization_id = ${made.ann.organization.id} and s.id = x.session_id
    order by x.created_at desc limit 1`
  if (row === undefined) throw new Error('nothing is recorded')
  return row
}

interface Recorded {
  id: string
  input_tokens: number
  output_tokens: number
  answer: string | null
  is_estimated: boolean
}

describe('the OpenAI SDK with an access token as its key', () => {
  it('gets a chat completion, which is recorded like any invocation', async () => {
    const client = await clientOf(made.ann)
    const { data, response } = await client.chat.completions
      .create({ model: 'droid/gpt-4', ...hello })
      .withResponse()
    const row = await recorded()
    const text = answerTo('Who are you?', 'openai/gpt-4')
    expect(data).toEqual({
      id: `chatcmpl-${row.id}`,
      object: 'chat.completion',
      created: expect.closeTo(Date.now() / 1000, -2) as number,
      model: 'droid/gpt-4',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: text, refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: row.input_tokens,
        completion_tokens: row.output_tokens,
        total_tokens: row.input_tokens + row.output_tokens,
      },
      system_fingerprint: null,
    })
    expect(row).toMatchObject({ status: 'success', question: 'Who are you?', answer: text })
    expect(row).toMatchObject({ session: 'closed', metadata: { transient: true } })
    expect(row.is_estimated).toBe(false)
    expect(response.headers.get('x-execution-id')).toBe(row.id)
    const { data: listed } = await made.ann.client.from('v_recent_sessions').select('id')
    expect(listed).toEqual([])
  })

  it('streams it in chunks exactly as OpenAI does', async () => {
    const client = await clientOf(made.ann)
    const stream = await client.chat.completions.create({
      model: 'droid/gpt-4',
      ...hello,
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks: OpenAI.ChatCompletionChunk[] = []
    for await (const chunk of stream) chunks.push(chunk)
    const row = await recorded()
    const { created } = chunks[0] ?? {}
    const same = { id: `chatcmpl-${row.id}`, object: 'chat.completion.chunk', created }
    const choice = { index: 0, logprobs: null, finish_reason: null }
    const role = { role: 'assistant', content: '', refusal: null }
    for (const chunk of chunks) expect(chunk).toMatchObject({ ...same, model: 'droid/gpt-4' })
    expect(chunks[0]?.choices).toEqual([{ ...choice, delta: role }])
    const [finish, usage] = chunks.slice(-2)
    expect(finish?.choices).toEqual([{ ...choice, delta: {}, finish_reason: 'stop' }])
    expect(usage?.choices).toEqual([])
    expect(usage?.usage).toEqual({
      prompt_tokens: row.input_tokens,
      completion_tokens: row.output_tokens,
      total_tokens: row.input_tokens + row.output_tokens,
    })
    const deltas = chunks.slice(1, -2)
    expect(deltas.length).toBeGreaterThan(1)
    for (const { choices, usage } of deltas) {
      const content = choices[0]?.delta.content
      expect(choices).toEqual([{ ...choice, delta: { content } }])
      expect(usage).toBeNull()
    }
    expect(deltas.map(({ choices }) => choices[0]?.delta.content).join('')).toBe(row.answer)
  })

  it('sees usage in no chunk unless it asks for it', async () => {
    const client = await clientOf(made.ann)
    const body = { model: 'droid/gpt-4', ...hello, stream: true } as const
    for await (const chunk of await client.chat.completions.create(body)) {
      expect(chunk).not.toHaveProperty('usage')
      expect(chunk.choices).toHaveLength(1)
    }
  })

  it('needs no key of the project', async () => {
    const headers = { authorization: `Bearer ${await accessToken(made.ann)}` }
    const response = await fetch(`${baseURL()}/models`, { headers })
    expect(response.status).toBe(200)
  })
})

describe('a repeated request', () => {
  const key = () => ({ headers: { 'Idempotency-Key': randomUUID() } })

  it('is answered with the same completion', async () => {
    const client = await clientOf(made.ann)
    const options = key()
    const body = { model: 'droid/gpt-4', ...hello }
    const first = await client.chat.completions.create(body, options)
    expect(await client.chat.completions.create(body, options)).toEqual(first)
    const stream = client.chat.completions.stream(body, options)
    expect((await stream.finalChatCompletion()).choices[0]?.message.content).toBe(
      first.choices[0]?.message.content,
    )
    expect(await countWritten(sql, made.ann.organization)).toMatchObject({
      executions: 1,
      usage: 1,
    })
  })

  it('made fifty times at once is one execution', async () => {
    await sql`
      update client_mgmt.organization_limits set max_concurrent_per_user = 1
      where organization_id = ${made.ann.organization.id}`
    const client = await clientOf(made.ann)
    const options = key()
    const body = { model: 'droid/gpt-4', ...hello }
    const all = await Promise.all(
      Array.from({ length: 50 }, () => client.chat.completions.create(body, options)),
    )
    expect(new Set(all.map(({ id }) => id)).size).toBe(1)
    expect(new Set(all.map((each) => JSON.stringify(each))).size).toBe(1)
    expect(await countWritten(sql, made.ann.organization)).toMatchObject({
      executions: 1,
      usage: 1,
    })
  })

  it.each([
    ['an earlier message', { messages: [{ role: 'system', content: 'Lie.' }, ...hello.messages] }],
    ['its parameters', { temperature: 0 }],
    ['its format', { response_format: { type: 'json_object' } }],
  ])('that differs in %s is another one', async (_name, change) => {
    const client = await clientOf(made.ann)
    const options = key()
    const body = { model: 'droid/gpt-4', ...hello }
    await client.chat.completions.create(body, options)
    const other = { ...body, ...change } as typeof body
    const error = await failure(client.chat.completions.create(other, options))
    expect(error).toBeInstanceOf(OpenAI.ConflictError)
    expect(error.code).toBe('idempotency_conflict')
    expect(error.headers?.get('x-should-retry')).toBe('false')
  })
})
