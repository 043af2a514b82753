import { beforeEach, describe, expect, it } from 'vitest'
import { callFunction, createAgent, type ErrorBody } from '../support/agents/invoke.ts'
import {
  accessToken,
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'
import { useStack } from '../support/stack/stack.ts'

// The vectors are those of the local model server: texts are near that share forms of words.
const sql = connectOwner()
let ann: Person & { organization: Organization }
let model: string

beforeEach(async () => {
  ann = await signUpWithOrganization('ann')
  const agent = await createAgent(sql, ann.organization, ['openrouter'])
  await sql`update public.models set capabilities = '{embeddings}' where name = 'model-1' and agent_id = (
    select id from public.agents where name = ${agent})`
  await sql`
    insert into client_mgmt.model_prices (organization_id, provider, model_id, input_per_million)
    select ${ann.organization.id}, m.provider, m.model_id, 1000 from public.models m
    join public.agents a on a.id = m.agent_id where a.name = ${agent}`
  model = `${agent}/model-1`
})

interface Found {
  mode: string
  model: string | null
  results: { kind: string; snippet: string; score: number; cursor: string | null }[]
}

const ask = async (body: unknown, token?: string): Promise<Response> =>
  callFunction('agents/search', { token: token ?? (await accessToken(ann)), body })
const find = async (body: object): Promise<Found> => {
  const response = await ask(body)
  expect(response.status).toBe(200)
  return (await response.json()) as Found
}
const texts = ({ results }: Found) => results.map(({ snippet }) => snippet)

const say = async (...contents: string[]) => {
  const { id: organization } = ann.organization
  const [session] = await sql<{ id: string }[]>`
    insert into public.chat_sessions (organization_id, user_id) values (${organization}, ${ann.id})
    returning id`
  await sql`
    insert into public.chat_messages (organization_id, session_id, user_id, role, content)
    select ${organization}, ${session?.id ?? ''}, ${ann.id}, 'user', t from unnest(${contents}::text[]) t`
}
const want = async (settings: object) => {
  const { error } = await ann.client
    .from('organizations')
    .update({ settings: settings as never })
    .eq('id', ann.organization.id)
  if (error) throw error
}
const cleanUp = () =>
  callFunction('session-cleanup', { headers: { apikey: useStack().cleanupKey } })
const made = async () => {
  const [row] = await sql<{ vectors: number; waiting: number; calls: number; cost: number }[]>`
    select
      (select count(*)::int from private.search_vectors where organization_id = ${ann.organization.id}) as vectors,
      (select count(*)::int from private.embedding_queue where organization_id = ${ann.organization.id}) as waiting,
      count(*)::int as calls, coalesce(sum(cost_usd), 0)::float8 as cost
    from client_mgmt.usage_ledger where organization_id = ${ann.organization.id} and user_id is null`
  return row
}
/** session-cleanup answers before the vectors are made. */
const untilMade = async (vectors: number) => {
  await expect(cleanUp()).resolves.toMatchObject({ status: 200 })
  await expect.poll(made, { timeout: 60_000 }).toMatchObject({ vectors, waiting: 0 })
}

// Vectors are made after the answer of session-cleanup, on a machine that may be slow.
describe('a search', { timeout: 120_000 }, () => {
  it('finds a message by its meaning and by its words, made by session-cleanup and paid once', async () => {
    await say('the invoices were refunded', 'a dog sleeps')
    await want({ search_model: model })
    await untilMade(2)
    const before = await made()
    // Seven tokens and three, by the server's count; 1,000 dollars a million.
    expect(before).toMatchObject({ calls: 1, cost: 0.01 })
    await cleanUp()
    await say('dogs sleeping')
    await untilMade(3)
    expect(await made()).toMatchObject({ calls: 2, cost: 0.014 })

    const near = await find({ query: 'refund of an invoice', mode: 'meaning', limit: 1 })
    expect(near).toMatchObject({ mode: 'meaning', model })
    expect(texts(near)).toEqual(['the invoices were refunded'])
    expect(texts(await find({ query: 'refund of an invoice', mode: 'words' }))).toEqual([])
    const both = await find({ query: 'dog', limit: 2 })
    expect(both).toMatchObject({ mode: 'both', model })
    expect(texts(both)).toEqual(['a dog sleeps', 'dogs sleeping'])
    // The vector of each query is an execution of the person.
    const [row] = await sql`
      select count(*)::int as n, bool_and(cost_usd > 0) as paid from client_mgmt.usage_ledger
      where organization_id = ${ann.organization.id} and user_id = ${ann.id}`
    expect(row).toEqual({ n: 2, paid: true })
  })

  it('is by words where the organization makes no vectors, and calls no model', async () => {
    await say('a dog sleeps')
    await cleanUp()
    const found = await find({ query: 'dog' })
    expect(found).toMatchObject({ mode: 'words', model: null })
    expect(texts(found)).toEqual(['a dog sleeps'])
    expect(await made()).toEqual({ vectors: 0, waiting: 0, calls: 0, cost: 0 })
    const refused = await ask({ query: 'dog', mode: 'meaning' })
    expect(refused.status).toBe(400)
    const { error } = (await refused.json()) as ErrorBody
    expect(error).toMatchObject({ code: 'invalid_request', path: 'mode' })
    const [row] = await sql`
      select count(*)::int as n from public.agent_executions where organization_id = ${ann.organization.id}`
    expect(row).toEqual({ n: 0 })
  })

  it('answers any text of up to 10,000 characters, or refuses it by name', async () => {
    await say('a dog sleeps')
    await want({ search_model: model })
    await untilMade(1)
    for (const query of [
      '',
      ' ',
      '🙂'.repeat(10_000),
      '東京',
      '"',
      '-',
      '<->',
      'a'.repeat(10_000),
    ]) {
      for (const mode of ['words', 'both']) expect((await ask({ query, mode })).status).toBe(200)
    }
    const path = async (body: object | string) => {
      const response = await ask(body)
      expect(response.status).toBe(400)
      const { error } = (await response.json()) as ErrorBody
      return [error.code, error.path]
    }
    for (const [field, value] of Object.entries({
      query: 'a'.repeat(10_001),
      mode: 'sense',
      kinds: ['user'],
      project_id: 0,
      user_id: 'x',
      since: 'now',
      limit: 101,
      after: 'x',
      embedding: [1],
    })) {
      expect(await path({ query: 'dog', [field]: value })).toEqual([
        'invalid_request',
        expect.stringContaining(field.slice(0, 5)),
      ])
    }
    expect(await path('{"query":"\\u0000"}')).toEqual(['invalid_request', 'query'])
    expect(await path('{"query":"\\ud800"}')).toEqual(['invalid_request', 'query'])
    expect((await ask({ query: 'dog' }, 'x')).status).toBe(401)
  })
})
