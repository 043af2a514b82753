import { randomUUID } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createAgent } from '../support/agents/invoke.ts'
import { eventStream, json } from '../support/agents/raw-http.ts'
import { STALL } from '../support/agents/raw-provider.ts'
import {
  frame,
  plainUsage,
  type ScriptedModel,
  startScriptedModel,
  streamFrames,
} from '../support/agents/scripted-model.ts'
import {
  accessToken,
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
let scripted: ScriptedModel
let ann: Person & { organization: Organization }
let client: OpenAI
let model: string

beforeAll(async () => {
  scripted = await startScriptedModel()
})
afterAll(() => scripted.close())
beforeEach(async () => {
  ann = await signUpWithOrganization('ann')
  model = await createAgent(sql, ann.organization, ['openrouter'])
  client = await scripted.client(ann)
  scripted.logged.length = 0
})

const messages = [{ role: 'user' as const, content: 'Hi' }]
const execution = async () => {
  const [row] = await sql`
    select x.status, x.error_code, x.cancel_requested_at, m.content from public.agent_executions x
    left join public.chat_messages m on m.organization_id = x.organization_id and m.id = x.response_message_id
    where x.organization_id = ${ann.organization.id}`
  return row
}
const errorOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => null,
    (e: unknown) => e,
  )

async function read(options?: OpenAI.RequestOptions) {
  let text = ''
  const stream = await client.chat.completions.create({ model, messages, stream: true }, options)
  for await (const { choices } of stream) text += choices[0]?.delta.content ?? ''
  return text
}

describe('a failure of the provider', () => {
  it.each([
    [500, OpenAI.InternalServerError, 502, 'provider_error'],
    [429, OpenAI.InternalServerError, 502, 'provider_rate_limited'],
    [401, OpenAI.InternalServerError, 502, 'provider_unauthorized'],
    [400, OpenAI.BadRequestError, 400, 'provider_rejected_request'],
  ])('with status %d has its class, streamed or not', async (status, type, answered, code) => {
    const secret = 'sk-or-v1-of-a-scripted-model'
    scripted.answer([json(status, { error: { message: `the words of a provider ${secret}` } })])
    for (const stream of [false, true]) {
      const error = await errorOf(client.chat.completions.create({ model, messages, stream }))
      expect(error).toBeInstanceOf(type)
      expect(error).toMatchObject({ status: answered, code })
      expect(JSON.stringify(error)).not.toContain('the words of')
    }
    expect(scripted.logged.join('\n')).not.toContain(secret)
  })

  it('in the middle of a stream is thrown, and the text before it is kept', async () => {
    scripted.answer(eventStream([frame({ content: 'Half an ' }), frame({ content: 'ans' })]))
    const response = await client.chat.completions
      .create({ model, messages, stream: true })
      .asResponse()
    const body = await response.text()
    expect(body.trimEnd().split('\n\n').at(-1)).toBe(
      `data: ${JSON.stringify({
        error: {
          message: 'The answer of the model provider was cut off. Ask again.',
          type: 'server_error',
          param: null,
          code: 'provider_stream_truncated',
        },
      })}`,
    )
    expect(body).not.toContain('[DONE]')
    expect(body).not.toContain('"finish_reason":"stop"')
    expect(await execution()).toMatchObject({
      status: 'failed',
      error_code: 'provider_stream_truncated',
      content: 'Half an ans',
    })
    expect(await errorOf(read())).toMatchObject({ code: 'provider_stream_truncated' })
    const helper = client.chat.completions.stream({ model, messages })
    await expect(helper.finalChatCompletion()).rejects.toThrow(OpenAI.APIError)
  })

  it('inside a 200 is thrown too', async () => {
    const error = `data: ${JSON.stringify({ error: { code: 502, message: 'x' } })}\n\n`
    scripted.answer(eventStream([frame({ content: 'Half' }), error]))
    expect(await errorOf(read())).toMatchObject({ code: 'provider_error' })
    expect(await execution()).toMatchObject({ status: 'failed', content: 'Half' })
  })

  it('is repeated by us before the first output, and by nobody after', async () => {
    scripted.answer([json(500, {})], { text: ['Hello'] })
    expect(await read()).toBe('Hello')
    expect(scripted.asked()).toHaveLength(2)
  })
})

describe('usage', () => {
  it('that the provider breaks down is told as it is recorded', async () => {
    const usage = {
      ...plainUsage,
      prompt_tokens_details: { cached_tokens: 5 },
      completion_tokens_details: { reasoning_tokens: 3 },
    }
    scripted.answer({ text: ['Hello'], usage })
    const body = { model, messages } as const
    expect((await client.chat.completions.create(body)).usage).toEqual(usage)
    const stream = client.chat.completions.stream({
      ...body,
      stream_options: { include_usage: true },
    })
    expect((await stream.finalChatCompletion()).usage).toEqual(usage)
    const rows = await sql`
      select input_tokens::int as prompt_tokens, output_tokens::int as completion_tokens,
        cached_input_tokens::int as cached, reasoning_tokens::int as reasoning
      from client_mgmt.usage_ledger where organization_id = ${ann.organization.id}`
    const row = { prompt_tokens: 11, completion_tokens: 7, cached: 5, reasoning: 3 }
    expect(rows).toEqual([row, row])
  })

  it('that the provider does not tell is not made up', async () => {
    scripted.answer({ text: ['Hello'], usage: null })
    const body = { model, messages } as const
    expect(await client.chat.completions.create(body)).not.toHaveProperty('usage')
    const options = { include_usage: true }
    const stream = await client.chat.completions.create({
      ...body,
      stream: true,
      stream_options: options,
    })
    let last: OpenAI.ChatCompletionChunk | undefined
    for await (const chunk of stream) last = chunk
    expect(last).toMatchObject({ choices: [], usage: null })
  })
})

describe('a reason to stop', () => {
  it.each(['length', 'content_filter'])('is told as it is: %s', async (finish) => {
    scripted.answer({ text: ['Hello'], finish })
    const completion = await client.chat.completions.create({ model, messages })
    expect(completion.choices[0]?.finish_reason).toBe(finish)
  })

  it('that OpenAI has no word for is no stop', async () => {
    scripted.answer({ text: ['Hello'], finish: 'weather' })
    const completion = await client.chat.completions.create({ model, messages })
    expect(completion.choices[0]?.finish_reason).toBe('other')
  })
})

describe('a client that leaves', () => {
  const status = async (): Promise<unknown> => (await execution())?.status
  const slow = () => eventStream([frame({ content: 'Hel' }), frame({ content: 'lo' })]).slice(0, -1)

  it.each([true, false])('cancels its request (stream: %s); what came is kept', async (stream) => {
    scripted.answer([...slow(), STALL])
    const leave = stream ? leaveStream() : await leaveBeforeAnAnswer()
    await expect.poll(() => scripted.asked()).toHaveLength(1)
    await expect.poll(status).toBe('running')
    await leave()
    await scripted.provider.journal.at(-1)?.closed
    await expect.poll(status).toBe('cancelled')
    expect(await execution()).toMatchObject({
      error_code: 'execution_cancelled',
      content: stream ? 'Hello' : null,
    })
  })

  function leaveStream() {
    const abort = new AbortController()
    const work = errorOf(read({ signal: abort.signal }))
    return async () => {
      abort.abort()
      await work
    }
  }

  // With a socket, because fetch of Node 20 may leave it open when aborted before an answer.
  async function leaveBeforeAnAnswer() {
    const headers = { authorization: `Bearer ${await accessToken(ann)}` }
    const url = `${scripted.baseURL}/chat/completions`
    const request = httpRequest(url, { method: 'POST', headers })
    const gone = new Promise((resolve) => request.once('error', resolve))
    request.end(JSON.stringify({ model, messages }))
    return async () => {
      request.destroy()
      await gone
    }
  }

  it('with a key may come back for the answer', async () => {
    let open: () => void = () => undefined
    const until = new Promise<void>((resolve) => (open = resolve))
    const [head = '', role = '', first = '', ...rest] = eventStream(
      streamFrames({ text: ['Hel', 'lo'] }),
    )
    scripted.answer([head, role, first, { until }, ...rest])
    const headers = { 'Idempotency-Key': randomUUID() }
    const stream = await client.chat.completions.create(
      { model, messages, stream: true },
      { headers },
    )
    for await (const { choices } of stream) if (choices[0]?.delta.content === 'Hel') break
    await expect.poll(() => scripted.logged.join('\n')).toContain('client_disconnected')
    const back = read({ headers })
    open()
    expect(await back).toBe('Hello')
    expect(await execution()).toMatchObject({
      status: 'success',
      content: 'Hello',
      cancel_requested_at: null,
    })
    expect(scripted.asked()).toHaveLength(1)
  })
})
