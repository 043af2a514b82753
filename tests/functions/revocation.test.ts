import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type AgentsWorker, startAgentsWorker } from '../support/agents/agents-worker.ts'
import { answerOf, gate, stop, StreamReader, text } from '../support/agents/chat-stream.ts'
import { createAgent, type ErrorBody } from '../support/agents/invoke.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import {
  type RawProvider,
  type RawScript,
  STALL,
  startRawProvider,
} from '../support/agents/raw-provider.ts'
import {
  claimsOf,
  type Organization,
  type Person,
  signInAgain,
  signUpAsMember,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
let provider: RawProvider
let worker: AgentsWorker
let owner: Person & { organization: Organization }
let member: Person
let agent: string

beforeAll(async () => {
  provider = await startRawProvider()
  worker = await startAgentsWorker({
    OPENROUTER_API_KEY: 'sk-or-v1-platform',
    OPENROUTER_BASE_URL: provider.url,
  })
})
afterAll(async () => {
  await worker.close()
  await provider.close()
})
beforeEach(async () => {
  owner = await signUpWithOrganization('owner')
  member = await signUpAsMember(sql, owner.organization)
  agent = await createAgent(sql, owner.organization, ['openrouter'])
})

/** Every role brings agents.invoke: it is lost with the membership, the account or the organization. */
const ends: Record<string, () => PromiseLike<unknown>> = {
  'the owner removes the member': () =>
    owner.client.rpc('remove_member', { user_id: member.id }).throwOnError(),
  'the member leaves': async () => {
    const { client } = await signInAgain(member)
    await client.rpc('leave_organization').throwOnError()
  },
  'the account is suspended': () =>
    sql`update public.users set is_active = false where id = ${member.id}`,
  'the organization is suspended': () =>
    sql`update public.organizations set is_active = false where id = ${owner.organization.id}`,
  'another device revokes the session': async () => {
    const { session_id } = await claimsOf(member)
    const { client } = await signInAgain(member)
    await client.rpc('revoke_session', { session_id: String(session_id) }).throwOnError()
  },
}

const [head = '', said = ''] = eventStream([text('said')])
/** A model that says a word and then nothing, and one that goes on for a minute. */
const models: Record<string, RawScript> = {
  silent: [head, said, STALL],
  talkative: [
    head,
    said,
    ...Array.from({ length: 300 }, () => [{ delayMs: 200 }, said]).flat(),
    STALL,
  ],
}

const cases = Object.keys(ends).flatMap((end) => Object.keys(models).map((model) => [end, model]))

const stored = async () => {
  const [row] = await sql`
    select x.status, x.error_code, m.content,
      (select count(*)::int from client_mgmt.usage_ledger l where l.execution_id = x.id) as paid,
      (select count(*)::int from client_mgmt.budget_reservations r
        where r.execution_id = x.id and r.settled_at is null) as reserved
    from public.agent_executions x
    left join public.chat_messages m
      on m.organization_id = x.organization_id and m.id = x.response_message_id
    where x.organization_id = ${owner.organization.id}`
  return row
}

describe('an answer that runs ends with its person’s access', () => {
  it.each(cases)('when %s, of a %s model', async (end, model) => {
    await sql`insert into client_mgmt.budgets (organization_id, period, limit_tokens)
      values (${owner.organization.id}, 'day', 1000000)`
    provider.respond(models[model] ?? [])
    const calls = provider.journal.length
    const live = new StreamReader(
      await worker.invoke(member, { agent, message: { content: 'Hi' } }),
    )
    await live.until('"delta":"said"')
    await ends[end]?.()
    await provider.journal[calls]?.closed
    const stream = await live.toEnd()
    expect(stream).toMatch(/data: \{"type":"abort"[^\n]*\n\n(id: \d+\n)?data: \[DONE\]\n\n$/)
    expect(await stored()).toEqual({
      status: 'cancelled',
      error_code: 'access_revoked',
      content: answerOf(stream),
      paid: 1,
      reserved: 0,
    })
  })

  it.each(Object.keys(ends))('when %s, of a request for the whole answer', async (end) => {
    provider.respond([STALL])
    const calls = provider.journal.length
    const body = { agent, message: { content: 'Hi' }, stream: false }
    const answer = worker.invoke(member, body)
    await expect.poll(() => provider.journal).toHaveLength(calls + 1)
    await ends[end]?.()
    await provider.journal[calls]?.closed
    const response = await answer
    expect(response.status).toBe(403)
    expect((await response.json()) as ErrorBody).toMatchObject({
      error: { code: 'access_revoked' },
    })
    expect(await stored()).toMatchObject({ status: 'cancelled', error_code: 'access_revoked' })
    expect(provider.journal).toHaveLength(calls + 1)
  })
})

it('an answer of another member goes on to its end', async () => {
  const other = await signUpAsMember(sql, owner.organization, 'other')
  const { step, open } = gate()
  const [, more = '', ...rest] = eventStream([text(' more'), stop])
  provider.respond([head, said, step, more, ...rest])
  const start = async (person: Person) => {
    const live = new StreamReader(
      await worker.invoke(person, { agent, message: { content: 'Hi' } }),
    )
    await live.until('"delta":"said"')
    return live
  }
  const [lost, kept] = await Promise.all([start(member), start(other)])
  await owner.client.rpc('remove_member', { user_id: member.id }).throwOnError()
  expect(await lost.toEnd()).toContain('"type":"abort"')
  open()
  const whole = await kept.toEnd()
  expect(answerOf(whole)).toBe('said more')
  expect(whole).toContain('"type":"finish"')
})
