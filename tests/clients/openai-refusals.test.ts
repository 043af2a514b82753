import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { countWritten, forgeToken, nothingWritten } from '../support/agents/invoke.ts'
import {
  baseURL,
  clientOf,
  clientWith,
  failure,
  hello,
  useOpenAI,
} from '../support/clients/openai.ts'
import { accessToken, signUp } from '../support/people/people.ts'
import { useStack } from '../support/stack/stack.ts'

const made = useOpenAI()
const { sql } = made

describe('refusals', () => {
  it('of a key that is no valid access token are AuthenticationErrors', async () => {
    const forged = await forgeToken(
      made.ann,
      {},
      { secret: 'a long secret of another project here' },
    )
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
    expect(await countWritten(sql, made.ann.organization)).toEqual(nothingWritten)
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
    const client = await clientOf(made.ann)
    const body = { model: 'droid', ...hello, ...change }
    const error = await failure(client.chat.completions.create(body as never))
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error).toMatchObject({ param, code, type: 'invalid_request_error' })
    expect(await countWritten(sql, made.ann.organization)).toEqual(nothingWritten)
  })

  it.each([
    ['GET', 'chat/completions', 405, 'method_not_allowed'],
    ['POST', 'models', 405, 'method_not_allowed'],
    ['GET', 'embeddings', 405, 'method_not_allowed'],
    ['POST', 'audio/speech', 404, 'not_found'],
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
    const headers = { authorization: `Bearer ${await accessToken(made.ann)}` }
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
    expect(await countWritten(sql, made.ann.organization)).toEqual(nothingWritten)
  })

  it('for a spent budget are RateLimitErrors of OpenAI’s own code, which no client repeats', async () => {
    await sql`
      insert into client_mgmt.budgets (organization_id, period, limit_tokens)
      values (${made.ann.organization.id}, 'day', 1)`
    let requests = 0
    const client = new OpenAI({
      apiKey: await accessToken(made.ann),
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
      where organization_id = ${made.ann.organization.id}`
    const client = await clientOf(made.ann)
    const error = await failure(client.chat.completions.create({ model: 'droid', ...hello }))
    expect(error).toBeInstanceOf(OpenAI.RateLimitError)
    expect(error).toMatchObject({ code: 'rate_limit_exceeded', type: 'requests' })
    expect(Number(error.headers?.get('retry-after'))).toBeGreaterThan(0)
    expect(error.headers?.get('x-should-retry')).toBeNull()
  })
})
