import { beforeAll, describe, expect, it } from 'vitest'
import { answerOf, gate, stop, StreamReader, text } from '../support/agents/chat-stream.ts'
import { createAgent, type ErrorBody } from '../support/agents/invoke.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { type RawScript, STALL } from '../support/agents/raw-provider.ts'
import { useAgents } from '../support/agents/use-agents.ts'
import {
  claimsOf,
  type Person,
  signInAgain,
  signUpAsMember,
  signUpWithOrganization,
} from '../support/people/people.ts'

const made = useAgents({ person: false })
const { sql } = made

/** An organization of the test's own. */
async function arrange() {
  const owner = await signUpWithOrganization('owner')
  const member = await signUpAsMember(sql, owner.organization)
  const agent = await createAgent(sql, owner.organization, ['openrouter'])
  return { owner, member, agent }
}
type Scene = Awaited<ReturnType<typeof arrange>>

/** Every role brings agents.invoke: it is lost with the membership, the account or the organization. */
const ends: Record<string, (scene: Scene) => PromiseLike<unknown>> = {
  'the owner removes the member': ({ owner, member }) =>
    owner.client.rpc('remove_member', { user_id: member.id }).throwOnError(),
  'the member leaves': async ({ member }) => {
    const { client } = await signInAgain(member)
    await client.rpc('leave_organization').throwOnError()
  },
  'the account is suspended': ({ member }) =>
    sql`update public.users set is_active = false where id = ${member.id}`,
  'the organization is suspended': ({ owner }) =>
    sql`update public.organizations set is_active = false where id = ${owner.organization.id}`,
  'another device revokes the session': async ({ member }) => {
    const { session_id } = await claimsOf(member)
    const { client } = await signInAgain(member)
    await client.rpc('revoke_session', { session_id: String(session_id) }).throwOnError()
  },
}

const [head = '', said = ''] = eventStream([text('said')])
/** A model that never speaks, one that says a word and then nothing, and one that goes on for a minute. */
const models: Record<string, RawScript> = {
  speechless: [STALL],
  silent: [head, said, STALL],
  talkative: [
    head,
    said,
    ...Array.from({ length: 300 }, () => [{ delayMs: 200 }, said]).flat(),
    STALL,
  ],
}

/** A question that names the model which answers it, and the test. */
const question = (model: string, end: string) => `${model}: ${end}`
const requestsOf = (content: string) =>
  made.provider.journal.filter(({ body }) => body.includes(JSON.stringify(content)))

const stored = async ({ owner }: Scene) => {
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

const cases = Object.keys(ends).flatMap((end) =>
  ['silent', 'talkative'].map((model) => [end, model] as const),
)

// At once: each waits for the worker's next look at its lease.
const patience = { timeout: 120_000 }
describe.concurrent('an answer that runs ends with its person’s access', patience, () => {
  beforeAll(() => {
    const answered = Object.entries(models)
    made.provider.respond(
      ({ body }) => answered.find(([model]) => body.includes(`"${model}: `))?.[1] ?? [],
    )
  })

  it.for(cases)('when %s, of a %s model', async ([end, model], { expect }) => {
    const scene = await arrange()
    await sql`insert into client_mgmt.budgets (organization_id, period, limit_tokens)
      values (${scene.owner.organization.id}, 'day', 1000000)`
    const content = question(model, end)
    const live = new StreamReader(
      await made.worker.invoke(scene.member, { agent: scene.agent, message: { content } }),
    )
    await live.until('"delta":"said"')
    await ends[end]?.(scene)
    await requestsOf(content)[0]?.closed
    const stream = await live.toEnd()
    expect(stream).toMatch(/data: \{"type":"abort"[^\n]*\n\n(id: \d+\n)?data: \[DONE\]\n\n$/)
    expect(await stored(scene)).toEqual({
      status: 'cancelled',
      error_code: 'access_revoked',
      content: answerOf(stream),
      paid: 1,
      reserved: 0,
    })
  })

  it.for(Object.keys(ends))(
    'when %s, of a request for the whole answer',
    async (end, { expect }) => {
      const scene = await arrange()
      const content = question('speechless', end)
      const body = { agent: scene.agent, message: { content }, stream: false }
      const answer = made.worker.invoke(scene.member, body)
      await expect.poll(() => requestsOf(content)).toHaveLength(1)
      await ends[end]?.(scene)
      await requestsOf(content)[0]?.closed
      const response = await answer
      expect(response.status).toBe(403)
      expect((await response.json()) as ErrorBody).toMatchObject({
        error: { code: 'access_revoked' },
      })
      expect(await stored(scene)).toMatchObject({
        status: 'cancelled',
        error_code: 'access_revoked',
      })
      expect(requestsOf(content)).toHaveLength(1)
    },
  )
})

it('an answer of another member goes on to its end', async () => {
  const { owner, member, agent } = await arrange()
  const other = await signUpAsMember(sql, owner.organization, 'other')
  const { step, open } = gate()
  const [, more = '', ...rest] = eventStream([text(' more'), stop])
  made.provider.respond([head, said, step, more, ...rest])
  const start = async (person: Person) => {
    const live = new StreamReader(
      await made.worker.invoke(person, { agent, message: { content: 'Hi' } }),
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
