import { expect, it } from 'vitest'
import { answerOf, stop, StreamReader, text } from '../support/agents/chat-stream.ts'
import { openSession, uploadPicture } from '../support/agents/files.ts'
import { callFunction, type ErrorBody } from '../support/agents/invoke.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { STALL } from '../support/agents/raw-provider.ts'
import { useAgents } from '../support/agents/use-agents.ts'
import { accessToken } from '../support/people/people.ts'
import { useStack } from '../support/stack/stack.ts'

const made = useAgents()

interface Issued {
  id: string
  key: string
}
const makeKey = async (permissions = ['agents.invoke']): Promise<Issued> => {
  const { data } = await made.ann.client
    .rpc('create_api_key', { name: 'server', permissions })
    .throwOnError()
  return data as unknown as Issued
}
const withKey = (key: string) => ({ headers: { authorization: `Bearer ${key}` } })
const invoke = (key: string, body: object = {}) =>
  made.worker.invoke(
    made.ann,
    { agent: made.agent, message: { content: 'hello' }, ...body },
    withKey(key),
  )
const codeOf = async (response: Response) => [
  response.status,
  ((await response.json()) as ErrorBody).error.code,
]
const answer = () => eventStream([text('Hello'), stop])

it('a key invokes, follows, cancels and lists models', async () => {
  made.provider.respond(answer)
  const { key } = await makeKey()
  const answered = await invoke(key, { end_user: 'ada' })
  expect(answered.status).toBe(200)
  const streamed = await answered.text()
  const execution_id = answered.headers.get('x-execution-id') ?? ''
  const [row] = await made.sql`
    select user_id, end_user from public.agent_executions where id = ${execution_id}`
  expect(row).toEqual({ user_id: made.ann.id, end_user: 'ada' })
  const replay = (headers: object) =>
    made.worker.request(made.ann, `executions/${execution_id}/stream`, { ...headers })
  const [byKey, byToken] = await Promise.all([replay(withKey(key)), replay({})])
  // The bytes are those that the person gets.
  expect(answerOf(streamed)).toBe('Hello')
  const replayed = await byKey.text()
  expect(replayed).toBe(await byToken.text())
  expect(answerOf(replayed)).toBe('Hello')
  const cancelled = await made.worker.request(made.ann, `executions/${execution_id}/cancel`, {
    method: 'POST',
    ...withKey(key),
  })
  expect(await cancelled.json()).toEqual({ execution_id, status: 'success' })
  const models = await made.worker.request(made.ann, 'v1/models', withKey(key))
  expect(((await models.json()) as { data: unknown[] }).data.length).toBeGreaterThan(0)
})

it('a key that no longer works is refused by a worker that knew it', async () => {
  made.provider.respond(answer)
  const { id, key } = await makeKey()
  expect(answerOf(await (await invoke(key)).text())).toBe('Hello')
  await made.ann.client.rpc('revoke_api_key', { id }).throwOnError()
  expect(await codeOf(await invoke(key))).toEqual([401, 'unauthorized'])
  expect(await codeOf(await invoke(`${key}x`))).toEqual([401, 'unauthorized'])
  expect(await codeOf(await invoke('clq_'))).toEqual([401, 'unauthorized'])
  expect(await codeOf(await invoke(`clq_${'A'.repeat(43)}`))).toEqual([401, 'unauthorized'])
})

it('the revocation of a key stops what it runs, and the rotation does not', async () => {
  const [head = '', said = ''] = eventStream([text('said')])
  made.provider.respond(() => [head, said, STALL])
  const { id, key } = await makeKey()
  const { data } = await made.ann.client.rpc('rotate_api_key', { id }).throwOnError()
  const next = (data as unknown as Issued).key
  const response = await invoke(key, { stream: true })
  const reader = new StreamReader(response)
  await reader.until('said')
  expect((await made.worker.request(made.ann, 'v1/models', withKey(next))).status).toBe(200)
  await made.ann.client.rpc('revoke_api_key', { id }).throwOnError()
  await reader.toEnd()
  const [row] = await made.sql`
    select status from public.agent_executions where organization_id = ${made.ann.organization.id}`
  expect(row?.status).toBe('cancelled')
  for (const each of [key, next]) {
    expect(await codeOf(await invoke(each))).toEqual([401, 'unauthorized'])
  }
})

it('a key is refused in an address, at PostgREST, at oauth and for the keys of providers', async () => {
  const { key } = await makeKey(['agents.invoke', 'agents.manage', 'mcp.manage'])
  const token = await accessToken(made.ann)
  for (const query of [`key=${key}`, `x=${key.replace('_', '%5f')}`]) {
    const response = await callFunction(`agents/v1/models?${query}`, { token, method: 'GET' })
    expect(await codeOf(response)).toEqual([400, 'invalid_request'])
  }
  const stored = await callFunction('agents/provider-credentials/openrouter', {
    token: key,
    method: 'PUT',
    body: { api_key: 'sk-or-v1-of-a-thief' },
  })
  expect(await codeOf(stored)).toEqual([401, 'unauthorized'])
  const connecting = await callFunction('oauth/connections', {
    token: key,
    body: { mcp_configuration_id: 1, redirect_to: 'https://app.example.com' },
  })
  expect(await codeOf(connecting)).toEqual([401, 'unauthorized'])
  const { url, publishableKey } = useStack()
  const rest = await fetch(`${url}/rest/v1/organizations`, {
    headers: { apikey: publishableKey, authorization: `Bearer ${key}` },
  })
  expect(rest.status).toBe(401)
  const asApiKey = await fetch(`${url}/rest/v1/organizations`, { headers: { apikey: key } })
  expect(asApiKey.status).toBe(401)
})

it('no log names a key', async () => {
  made.provider.respond(answer)
  const { key } = await makeKey()
  await (await invoke(key)).text()
  await (await invoke(`${key.slice(0, -1)}?`)).text()
  expect(made.worker.logged.join('\n')).not.toContain(key.slice(4, -1))
})

it('a key reads no file, and the model learns that an earlier one is missing', async () => {
  made.provider.respond(answer)
  const session_id = await openSession(made.ann)
  const path = await uploadPicture(made.ann, made.ann.organization.id, session_id)
  const message = { content: [{ type: 'file', path }] }
  const byToken = await made.worker.invoke(made.ann, { agent: made.agent, session_id, message })
  expect(answerOf(await byToken.text())).toBe('Hello')
  const { key } = await makeKey()
  expect(await codeOf(await invoke(key, { session_id, message }))).toEqual([404, 'file_not_found'])
  expect(answerOf(await (await invoke(key, { session_id })).text())).toBe('Hello')
  const sent = made.provider.journal.at(-1)?.body
  expect(sent).toContain('[image/png, no longer there]')
})
