import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import type { Sql } from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect } from '../../dev/postgres/database.ts'
import { type Stack, startStack } from '../../dev/stack/stack.ts'
import { gate, stop, StreamReader, text } from '../support/agents/chat-stream.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { type RawProvider, startRawProvider } from '../support/agents/raw-provider.ts'
import { newClient } from '../support/people/people.ts'
import { makeDirectory } from '../support/stack/directory.ts'
import { descendantsOf } from '../support/stack/processes.ts'

const directory = makeDirectory()
const lines: string[] = []
let provider: RawProvider
let stack: Stack
let superuser: Sql
let token: string

beforeAll(async () => {
  provider = await startRawProvider()
  stack = await startStack({
    port: 0,
    directory,
    durable: false,
    cleanupIntervalMs: 0,
    env: { OPENROUTER_API_KEY: 'a-key', OPENROUTER_BASE_URL: provider.url },
    log: (line) => lines.push(line),
  })
  superuser = connect(stack.superuserUrl ?? '')
  token = await signUp()
}, 60_000)

afterAll(async () => {
  await superuser.end()
  await stack.close()
  await provider.close()
  rmSync(directory, { recursive: true, force: true })
})

/** @returns the access token of the owner of a new organization */
async function signUp(): Promise<string> {
  const client = newClient(stack.publishableKey, stack.url)
  const email = `${randomUUID()}@example.com`
  const { error } = await client.auth.signUp({ email, password: 'a long password' })
  if (error !== null) throw error
  await client.rpc('create_organization', { name: 'Acme', slug: `acme-${randomUUID()}` })
  const { data } = await client.auth.refreshSession()
  return data.session?.access_token ?? ''
}

const call = (path: string, init: RequestInit = {}) =>
  fetch(`${stack.url}/functions/v1/agents/${path}`, {
    ...init,
    headers: {
      apikey: stack.publishableKey,
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
    },
  })

const invoke = () =>
  call('invoke', {
    method: 'POST',
    body: JSON.stringify({ agent: 'droid', message: { content: 'Hello' } }),
  })

function answerAtOnce(): void {
  provider.respond(() => eventStream([text('Hello'), stop]))
}

const terminateAll = () => superuser`
  select pg_terminate_backend(pid) from pg_stat_activity
  where usename in ('authenticator', 'supabase_auth_admin')`

async function expectAnswer(): Promise<void> {
  const response = await invoke()
  expect(response.status).toBe(200)
  expect(await response.text()).toContain('"delta":"Hello"')
}

test('a function says that the database is unavailable, when to come back, and recovers', async () => {
  answerAtOnce()
  await expectAnswer()
  await superuser`alter role authenticator nologin`
  try {
    await terminateAll()
    const response = await invoke()
    expect([response.status, await response.json()]).toMatchObject([
      503,
      { error: { code: 'database_unavailable' } },
    ])
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
  } finally {
    await superuser`alter role authenticator login`
  }
  await expectAnswer()
})

test('a stream whose back-ends are terminated goes on to one end, which is what is stored', async () => {
  const { step, open } = gate()
  const [head, ...rest] = eventStream([text('Hello'), text(' there'), stop])
  provider.respond(() => [head ?? '', rest[0] ?? '', step, ...rest.slice(1)])
  const reader = new StreamReader(await invoke())
  await reader.until('Hello')
  await terminateAll()
  open()
  const stream = await reader.toEnd()
  expect(stream.match(/"type":"(finish|error|abort)"/g)).toHaveLength(1)
  const [, execution = ''] = /"execution_id":"([^"]+)"/.exec(stream) ?? []
  const stored = await superuser`
    select status::text from public.agent_executions where id = ${execution}`
  const isFinished = stream.includes('"type":"finish"')
  expect(stored).toEqual([{ status: isFinished ? 'success' : 'failed' }])
  expect(stream).toContain('data: [DONE]')
})

test('killed functions are started again and answer as before', async () => {
  answerAtOnce()
  const killed = descendantsOf(process.pid).filter(({ command }) => command === 'deno')
  // This process runs no other stack: the one that tests share is not touched.
  expect(killed).toHaveLength(stack.functions.length)
  for (const { pid } of killed) process.kill(pid, 'SIGKILL')
  const { status, headers } = await invoke()
  expect([status, headers.get('retry-after')]).toEqual([503, '1'])
  await expect.poll(async () => (await invoke()).status, { interval: 100 }).toBe(200)
  await expectAnswer()
  for (const name of stack.functions) {
    expect(lines).toContainEqual(expect.stringMatching(`^${name}: ended .* is started again`))
  }
}, 60_000)
