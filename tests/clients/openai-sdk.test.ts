import { randomUUID } from 'node:crypto'
import OpenAI from 'openai'
import { beforeEach, describe, expect, it } from 'vitest'
import { answerTo } from '../../dev/functions/model-server.ts'
import { countWritten, createAgent, forgeToken, nothingWritten } from '../support/agents/invoke.ts'
import {
  accessToken,
  type Organization,
  type Person,
  signUp,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'
import { useStack } from '../support/stack/stack.ts'

const sql = connectOwner()
let ann: Person & { organization: Organization }

const baseURL = () => `${useStack().url}/functions/v1/agents/v1`
const clientWith = (apiKey: string) => new OpenAI({ apiKey, baseURL: baseURL(), maxRetries: 0 })
const clientOf = async (person: Person) => clientWith(await accessToken(person))
const hello = { messages: [{ role: 'user' as const, content: 'Who are you?' }] }

beforeEach(async () => {
  ann = await signUpWithOrganization('ann')
})

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
    where x.organization_id = ${ann.organization.id} and s.id = x.session_id
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

async function failure(work: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (error instanceof OpenAI.APIError) return error
  throw new Error(`not an error of the API: ${String(error)}`)
}

describe('the OpenAI SDK with an access token as its key', () => {
  it('gets a chat completion, which is recorded like any invocation', async () => {
    const client = await clientOf(ann)
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
    const { data: listed } = await ann.client.from('v_recent_sessions').select('id')
    expect(listed).toEqual([])
  })

  it('streams it in chunks exactly as OpenAI does', async () => {
    const client = await clientOf(ann)
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
    expect(deltas.length).toBeGreaterThan(3)
    for (const { choices, usage } of deltas) {
      const content = choices[0]?.delta.content
      expect(choices).toEqual([{ ...choice, delta: { content } }])
      expect(usage).toBeNull()
    }
    expect(deltas.map(({ choices }) => choices[0]?.delta.content).join('')).toBe(row.answer)
  })

  it('sees usage in no chunk unless it asks for it', async () => {
    const client = await clientOf(ann)
    const body = { model: 'droid/gpt-4', ...hello, stream: true } as const
    for await (const chunk of await client.chat.completions.create(body)) {
      expect(chunk).not.toHaveProperty('usage')
      expect(chunk.choices).toHaveLength(1)
    }
  })

  it('needs no key of the project', async () => {
    const headers = { authorization: `Bearer ${await accessToken(ann)}` }
    const response = await fetch(`${baseURL()}/models`, { headers })
    expect(response.status).toBe(200)
  })
})

describe('models', () => {
  it('are the agents and models that the organization may use', async () => {
    const own = await createAgent(sql, ann.organization, ['openrouter', 'vertex-ai'])
    const ids: string[] = []
    for await (const model of (await clientOf(ann)).models.list()) {
      expect(model).toMatchObject({ object: 'model', created: expect.any(Number) as number })
      ids.push(model.id)
    }
    expect(ids).toEqual([
      own,
      `${own}/model-1`,
      `${own}/model-2`,
      'ccrouter',
      'ccrouter/gemini-1.5-pro',
      'ccrouter/gemini-1.5-flash',
      'droid',
      'droid/claude-3-opus',
      'droid/gpt-4',
    ])
  })

  it.each(['droid', 'droid/gpt-4', 'gpt-4'])('are found by id: %s', async (id) => {
    const model = await (await clientOf(ann)).models.retrieve(id)
    expect(model).toMatchObject({ id, object: 'model', owned_by: 'platform' })
  })

  it.each([
    ['droid', 'droid/claude-3-opus'],
    ['gpt-4', 'droid/gpt-4'],
    ['ccrouter/gemini-1.5-flash', 'ccrouter/gemini-1.5-flash'],
  ])('answer under the id %s', async (model, answered) => {
    const { model: id } = await (await clientOf(ann)).chat.completions.create({ model, ...hello })
    expect(id).toBe(answered)
  })

  it('are named by themselves only where one agent alone has them', async () => {
    await createAgent(sql, ann.organization, ['openrouter'])
    const other = await createAgent(sql, ann.organization, ['openrouter'])
    const client = await clientOf(ann)
    const error = await failure(client.chat.completions.create({ model: 'model-1', ...hello }))
    expect(error).toMatchObject({ status: 400, param: 'model', code: 'invalid_value' })
    const found = await client.chat.completions.create({ model: `${other}/model-1`, ...hello })
    expect(found.model).toBe(`${other}/model-1`)
  })

  it('may have a slash in their own names', async () => {
    const agent = await createAgent(sql, ann.organization, ['openrouter'])
    await sql`update public.models set name = 'maker/one' where organization_id = ${ann.organization.id}`
    const client = await clientOf(ann)
    for (const model of ['maker/one', `${agent}/maker/one`]) {
      expect((await client.models.retrieve(model)).id).toBe(model)
      const answer = await client.chat.completions.create({ model, ...hello })
      expect(answer.model).toBe(`${agent}/maker/one`)
    }
  })

  it('of another organization are absent, in the same words', async () => {
    const eve = await signUpWithOrganization('eve')
    const foreign = await createAgent(sql, eve.organization, ['openrouter'])
    const client = await clientOf(ann)
    const bodies: unknown[] = []
    for (const model of [
      foreign,
      `${foreign}/model-1`,
      'absent',
      'absent/model-1',
      'droid/absent',
    ]) {
      for (const call of [
        () => client.chat.completions.create({ model, ...hello }),
        () => client.models.retrieve(model),
      ]) {
        const error = await failure(call())
        expect(error).toBeInstanceOf(OpenAI.NotFoundError)
        bodies.push(error.error)
      }
    }
    expect(new Set(bodies.map((body) => JSON.stringify(body)))).toEqual(
      new Set([
        JSON.stringify({
          message: 'The model does not exist or you do not have access to it.',
          type: 'invalid_request_error',
          param: 'model',
          code: 'model_not_found',
        }),
      ]),
    )
    const ids = (await client.models.list()).data.map(({ id }) => id)
    expect(ids.filter((id) => id.startsWith(foreign))).toEqual([])
    expect(await countWritten(sql, ann.organization)).toEqual(nothingWritten)
  })
})

describe('refusals', () => {
  it('of a key that is no valid access token are AuthenticationErrors', async () => {
    const forged = await forgeToken(ann, {}, { secret: 'a long secret of another project here' })
    for (const key of ['sk-not-a-token', forged, useStack().publishableKey]) {
      const client = clientWith(key)
      for (const call of [
        () => client.models.list(),
        () => client.chat.completions.create({ model: 'droid', ...hello }),
      ]) {
        const error = await failure(call())
        expect(error).toBeInstanceOf(OpenAI.AuthenticationError)
        expect(error).toMatchObject({ code: 'invalid_api_key', type: 'invalid_request_error' })
      }
    }
    expect(await countWritten(sql, ann.organization)).toEqual(nothingWritten)
  })

  it('of a person without an organization are PermissionDeniedErrors', async () => {
    const client = await clientOf(await signUp('nobody'))
    for (const call of [
      () => client.models.list(),
      () => client.chat.completions.create({ model: 'droid', ...hello }),
    ]) {
      const error = await failure(call())
      expect(error).toBeInstanceOf(OpenAI.PermissionDeniedError)
      expect(error.code).toBe('no_organization')
    }
  })

  it.each([
    [{ n: 2 }, 'n', 'invalid_value'],
    [{ messages: [] }, 'messages', 'invalid_value'],
    [{ messages: undefined }, 'messages', 'invalid_value'],
    [{ temperature: 3 }, 'temperature', 'invalid_value'],
    [{ logit_bias: { 1: 1 } }, 'logit_bias', 'unsupported_parameter'],
    [{ colour: 'red' }, 'colour', 'unsupported_parameter'],
    [{ messages: [{ role: 'user', content: 3 }] }, 'messages[0].content', 'invalid_value'],
    [{ tool_choice: 'auto' }, 'tool_choice', 'invalid_value'],
  ])('of %j name the parameter', async (change, param, code) => {
    const client = await clientOf(ann)
    const body = { model: 'droid', ...hello, ...change }
    const error = await failure(client.chat.completions.create(body as never))
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error).toMatchObject({ param, code, type: 'invalid_request_error' })
    expect(await countWritten(sql, ann.organization)).toEqual(nothingWritten)
  })

  it.each([
    ['GET', 'chat/completions', 405, 'method_not_allowed'],
    ['POST', 'models', 405, 'method_not_allowed'],
    ['POST', 'embeddings', 404, 'not_found'],
    ['GET', '', 404, 'not_found'],
  ])('of %s %s have the same shape', async (method, path, status, code) => {
    const response = await fetch(`${baseURL()}/${path}`, { method })
    expect(response.status).toBe(status)
    expect(await response.json()).toEqual({
      error: {
        message: expect.any(String) as string,
        type: 'invalid_request_error',
        param: null,
        code,
      },
    })
  })

  it('of malformed JSON and of a body too long say so', async () => {
    const headers = { authorization: `Bearer ${await accessToken(ann)}` }
    const send = async (body: string) => {
      const response = await fetch(`${baseURL()}/chat/completions`, {
        method: 'POST',
        headers,
        body,
      })
      return { status: response.status, ...((await response.json()) as { error: object }) }
    }
    expect(await send('{')).toMatchObject({
      status: 400,
      error: { param: null, code: 'invalid_value' },
    })
    const long = JSON.stringify({ messages: [{ role: 'user', content: 'x'.repeat(8 << 20) }] })
    expect(await send(long)).toMatchObject({ status: 400, error: { param: 'messages' } })
    const message = JSON.stringify({
      model: 'droid',
      messages: [
        { role: 'system', content: 'y' },
        { role: 'user', content: 'x'.repeat(262_145) },
      ],
    })
    expect(await send(message)).toMatchObject({
      status: 400,
      error: { param: 'messages[1].content' },
    })
    expect(await countWritten(sql, ann.organization)).toEqual(nothingWritten)
  })

  it('for a spent budget are RateLimitErrors of OpenAI’s own code, which no client repeats', async () => {
    await sql`
      insert into client_mgmt.budgets (organization_id, period, limit_tokens)
      values (${ann.organization.id}, 'day', 1)`
    let requests = 0
    const client = new OpenAI({
      apiKey: await accessToken(ann),
      baseURL: baseURL(),
      fetch: (...args) => ((requests += 1), fetch(...args)),
    })
    const error = await failure(client.chat.completions.create({ model: 'droid', ...hello }))
    expect(error).toBeInstanceOf(OpenAI.RateLimitError)
    expect(error).toMatchObject({ code: 'insufficient_quota', type: 'insufficient_quota' })
    expect(error.message).toContain('organization')
    expect(requests).toBe(1)
  })

  it('for too many at once are RateLimitErrors that say when to come again', async () => {
    await sql`
      update client_mgmt.organization_limits set max_concurrent_per_user = 0
      where organization_id = ${ann.organization.id}`
    const client = await clientOf(ann)
    const error = await failure(client.chat.completions.create({ model: 'droid', ...hello }))
    expect(error).toBeInstanceOf(OpenAI.RateLimitError)
    expect(error).toMatchObject({ code: 'rate_limit_exceeded', type: 'requests' })
    expect(Number(error.headers?.get('retry-after'))).toBeGreaterThan(0)
    expect(error.headers?.get('x-should-retry')).toBeNull()
  })
})

describe('a repeated request', () => {
  const key = () => ({ headers: { 'Idempotency-Key': randomUUID() } })

  it('is answered with the same completion', async () => {
    const client = await clientOf(ann)
    const options = key()
    const body = { model: 'droid/gpt-4', ...hello }
    const first = await client.chat.completions.create(body, options)
    expect(await client.chat.completions.create(body, options)).toEqual(first)
    const stream = client.chat.completions.stream(body, options)
    expect((await stream.finalChatCompletion()).choices[0]?.message.content).toBe(
      first.choices[0]?.message.content,
    )
    expect(await countWritten(sql, ann.organization)).toMatchObject({ executions: 1, usage: 1 })
  })

  it('made fifty times at once is one execution', async () => {
    await sql`
      update client_mgmt.organization_limits set max_concurrent_per_user = 1
      where organization_id = ${ann.organization.id}`
    const client = await clientOf(ann)
    const options = key()
    const body = { model: 'droid/gpt-4', ...hello }
    const all = await Promise.all(
      Array.from({ length: 50 }, () => client.chat.completions.create(body, options)),
    )
    expect(new Set(all.map(({ id }) => id)).size).toBe(1)
    expect(new Set(all.map((each) => JSON.stringify(each))).size).toBe(1)
    expect(await countWritten(sql, ann.organization)).toMatchObject({ executions: 1, usage: 1 })
  })

  it.each([
    ['an earlier message', { messages: [{ role: 'system', content: 'Lie.' }, ...hello.messages] }],
    ['its parameters', { temperature: 0 }],
    ['its format', { response_format: { type: 'json_object' } }],
  ])('that differs in %s is another one', async (_name, change) => {
    const client = await clientOf(ann)
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
