import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventTypes, readEvents } from '../support/agents/agents-fixture.ts'
import { type AgentsWorker, startAgentsWorker } from '../support/agents/agents-worker.ts'
import { answerOf } from '../support/agents/chat-stream.ts'
import { type FaultRow, hidden, type TrueEnd, wholeAnswer } from '../support/agents/fault-rows.ts'
import { faultTable } from '../support/agents/fault-table.ts'
import { createAgent } from '../support/agents/invoke.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { type RawProvider, startRawProvider } from '../support/agents/raw-provider.ts'
import { type Organization, type Person, signUpWithOrganization } from '../support/people/people.ts'
import { discrepancies } from '../support/rows/budgets.ts'
import { connectOwner } from '../support/stack/database.ts'

/** How many rows run at once: most of them wait for a time-out. */
const atOnce = 6

const sql = connectOwner()
let provider: RawProvider
let worker: AgentsWorker
let ann: Person & { organization: Organization }
/** The script of each row by the name of the model that it asks for. */
const scripts = new Map<string, FaultRow['script']>()
const ends = new Map<string, Promise<SeenEnd>>()

const rows = Object.values(faultTable).flatMap((group) => Object.entries(group))

beforeAll(async () => {
  provider = await startRawProvider()
  worker = await startAgentsWorker(
    { OPENROUTER_API_KEY: 'sk-or-v1-of-the-table', OPENROUTER_BASE_URL: provider.url },
    'tests/support/agents/impatient-functions',
  )
  const asked = new Map<string, number>()
  provider.respond(({ body }) => {
    const { model } = JSON.parse(body) as { model: string }
    const index = asked.get(model) ?? 0
    asked.set(model, index + 1)
    const script = scripts.get(model)
    if (script === undefined) throw new Error(`no script for ${model}`)
    return typeof script === 'function' ? script(index) : script
  })
  ann = await signUpWithOrganization('ann')
  await sql`
    insert into client_mgmt.budgets (organization_id, period, limit_usd, limit_tokens)
    values (${ann.organization.id}, 'month', 1000, 1000000000)`
  runInTurns()
})
afterAll(async () => {
  await Promise.allSettled(ends.values())
  await worker.close()
  await provider.close()
})

/** Starts every row, so many at a time; each test awaits its own. */
function runInTurns(): void {
  let turn = Array.from({ length: atOnce }, () => Promise.resolve())
  for (const [index, [name, { script }]] of rows.entries()) {
    const before = turn[index % atOnce] ?? Promise.resolve()
    const end = before.then(() => run(script))
    ends.set(name, end)
    turn = turn.with(
      index % atOnce,
      end.then(
        () => undefined,
        () => undefined, // Told by the test of the row.
      ),
    )
  }
}

interface SeenEnd {
  stream: string
  model: string
  execution: Record<string, unknown> | undefined
  message: Record<string, unknown> | undefined
  usage: Record<string, unknown> | undefined
  reservation: Record<string, unknown> | undefined
  faults: number
}

/** Asks an agent of the row's own, and looks everything up that its end has left behind. */
async function run(script: FaultRow['script']): Promise<SeenEnd> {
  const agent = await createAgent(sql, ann.organization, ['openrouter'])
  const model = `row-${randomUUID()}`
  scripts.set(model, script)
  await sql`
    update public.models m set model_id = ${model} from public.agents a
    where a.id = m.agent_id and a.name = ${agent}`
  await sql`
    insert into client_mgmt.model_prices (provider, model_id, input_per_million, output_per_million)
    values ('openrouter', ${model}, 1, 1)`
  const response = await worker.invoke(ann, { agent, message: { content: 'Hi' } })
  expect(response.status).toBe(200)
  const stream = await response.text()
  const id = response.headers.get('x-execution-id') ?? ''
  const [execution] = await sql`
    select status, error_code, error_message, finish_reason from public.agent_executions
    where id = ${id}`
  const [message] = await sql`
    select m.content, m.metadata ->> 'partial' as partial
    from public.agent_executions x join public.chat_messages m on m.id = x.response_message_id
    where x.id = ${id}`
  const [usage] = await sql`
    select is_estimated, input_tokens::integer, output_tokens::integer, cost_usd
    from client_mgmt.usage_ledger where execution_id = ${id}`
  const [reservation] = await sql`
    select settled_usd, settled_at is not null as settled
    from client_mgmt.budget_reservations where execution_id = ${id}`
  const [breaker] = await sql<{ faults: number }[]>`
    select failure_count as faults from public.circuit_breaker_state b
    join public.agents a on a.id = b.agent_id where a.name = ${agent}`
  const faults = breaker?.faults ?? 0
  return { stream, model, execution, message, usage, reservation, faults }
}

const callsOf = (model: string) =>
  provider.journal.filter(({ body }) => body.includes(model)).length

function expectStream(stream: string, { error, text, finish }: TrueEnd): void {
  const types = eventTypes(stream)
  const terminal = types.filter((type) => ['finish', 'error', 'abort'].includes(String(type)))
  expect(terminal).toEqual([error === null ? 'finish' : 'error'])
  expect(types.at(-1)).toBe('[DONE]')
  expect(answerOf(stream)).toBe(text ?? '')
  expect(stream).not.toContain(hidden)
  const last = readEvents(stream).at(-2)?.data as Record<string, unknown>
  if (error === null) expect(last['messageMetadata']).toMatchObject({ finish_reason: finish })
  else expect(last['errorText']).toMatch(new RegExp(`^${error}: The .*\\.$`))
}

describe.each(Object.entries(faultTable))('%s: a provider that', (_, group) => {
  it.each(Object.entries(group))(
    '%s has one true end',
    async (name, { end }) => {
      const seen = (await ends.get(name)) as SeenEnd
      expectStream(seen.stream, end)
      expect(seen.execution).toMatchObject({
        status: end.error === null ? 'success' : 'failed',
        error_code: end.error,
        finish_reason: end.finish ?? seen.execution?.['finish_reason'],
      })
      expect(seen.execution?.['error_message'] ?? '').not.toContain(hidden)
      expect(seen.message).toEqual(
        end.text === null
          ? undefined
          : { content: end.text, partial: end.error === null ? 'false' : 'true' },
      )
      expect(callsOf(seen.model)).toBe(end.calls)
      expect(seen.faults).toBe(end.faults)
      expect(seen.reservation?.['settled']).toBe(true)
      if (end.charge === 'counted') {
        expect(seen.usage).toMatchObject({
          input_tokens: 40,
          output_tokens: 7,
          is_estimated: false,
        })
      } else expect(seen.usage?.['is_estimated']).toBe(end.charge === 'estimated')
      const cost = Number(seen.usage?.['cost_usd'] ?? 0)
      expect(Number(seen.reservation?.['settled_usd'])).toBe(cost)
      expect(cost > 0).toBe(end.charge !== 'nothing')
    },
    60_000,
  )
})

describe('a stream that is cut at any byte', () => {
  it('keeps the frames that had arrived whole, and ends well only after its finish reason', async () => {
    const body = wholeAnswer.join('')
    const length = Buffer.byteLength(body)
    const offsets = Array.from({ length: 24 }, (_, n) => Math.floor((length * (n + 0.5)) / 24))
    for (const cutAt of offsets) {
      const arrived = Buffer.from(body).subarray(0, cutAt).toString()
      const frames = arrived.split('\n\n').slice(0, -1).join('\n\n')
      const text = answerFrames(frames)
      const seen = await run(eventStream([body], { cutAt }))
      const isWhole = frames.includes('"finish_reason":"stop"')
      expect({ cutAt, ...seen.execution }).toMatchObject({
        cutAt,
        status: isWhole ? 'success' : 'failed',
        error_code: isWhole ? null : 'provider_stream_truncated',
      })
      expect(answerOf(seen.stream)).toBe(text)
      expect(seen.message?.['content'] ?? '').toBe(text)
      expect(callsOf(seen.model)).toBe(text === '' ? 2 : 1)
      expect(seen.reservation?.['settled']).toBe(true)
    }
  }, 60_000)
})

function answerFrames(frames: string): string {
  return [...frames.matchAll(/^data: (\{.*)$/gm)]
    .map(([, data]) => JSON.parse(data ?? '') as { choices: { delta: { content?: string } }[] })
    .map(({ choices }) => choices[0]?.delta.content ?? '')
    .join('')
}

it('after all of it the books add up, and nothing is held', async () => {
  await Promise.all(ends.values())
  expect(await discrepancies(sql, ann.organization.id)).toEqual([])
  const [held] = await sql`
    select sum(reserved_usd)::float as usd, sum(reserved_tokens)::integer as tokens
    from client_mgmt.budget_counters where organization_id = ${ann.organization.id}`
  expect(held).toEqual({ usd: 0, tokens: 0 })
}, 60_000)
