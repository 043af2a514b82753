import { expect, it } from 'vitest'
import { invoke } from '../support/agents/invoke.ts'
import { mood, useLenses } from '../support/agents/lens-stage.ts'

const made = useLenses()

const edit = (turn: number, content: string) =>
  made.ann.client
    .schema('conversation')
    .from('turns')
    .update({ content })
    .eq('id', turn)
    .throwOnError()

async function turnsOf(block: number): Promise<number[]> {
  const { data } = await made.ann.client
    .schema('conversation')
    .from('block_turns')
    .select('turn_id')
    .eq('block_id', block)
    .order('sequence_order')
    .throwOnError()
  return data.map(({ turn_id }) => turn_id)
}

/** What the calls of results cost in the ledger, and what the results say. */
async function costs() {
  const [row] = await made.sql`
    select (
        select sum(u.cost_usd) from client_mgmt.usage_ledger u
        where u.organization_id = ${made.ann.organization.id}
      )::float8 as ledger,
      (
        select sum(r.cost_usd) from conversation.block_lens_version r
        where r.organization_id = ${made.ann.organization.id}
      )::float8 as results`
  return row
}

it('reads each block once, and after an edit only the block of the edited turn', async () => {
  made.model.answer(mood('calm'))
  const said = await made.post(made.ann, 'invoke', {
    agent: made.agent,
    message: { content: 'What is new?' },
    stream: false,
  })
  const { session_id } = (await said.json()) as { session_id: string }
  const imported = await made.ann.client
    .rpc('import_chat_session', { session_id, project_id: made.project })
    .throwOnError()
  const chat = (imported.data as unknown as { block_id: number }).block_id
  const call = await made.addBlock('Call', 'Good morning', 'It rains')
  // The conversation itself cost something that is no result's.
  await made.sql`delete from client_mgmt.usage_ledger where organization_id = ${made.ann.organization.id}`

  made.model.answer(mood('glad'))
  const whole = { project_id: made.project }
  const first = await made.run(whole)
  expect(first).toMatchObject({ status: 'done', blocks: 2, done: 2, failed: 0, remaining: 0 })
  const asked = made.model.asked()
  expect(asked).toHaveLength(2)
  expect(asked.map(({ messages }) => messages.at(-1)?.['content']).sort()).toEqual([
    expect.stringMatching(/^\[1\] Bo, .*: Good morning\n\[2\] Bo, .*: It rains$/),
    expect.stringMatching(/^\[1\] Member, .*: What is new\?\n\[2\] /),
  ])
  expect(await made.results()).toMatchObject([
    { block_id: chat, result: { mood: 'glad' }, is_stale: false, answered_by: 'model-1' },
    { block_id: call, result: { mood: 'glad' }, is_stale: false, cost_usd: 0.025 },
  ])
  expect(first.cost_usd).toBe(0.05)

  expect(await made.run(whole)).toMatchObject({ status: 'done', blocks: 0, calls: 0 })
  expect(made.model.asked()).toHaveLength(2)

  const [, second = 0] = await turnsOf(call)
  await edit(second, 'The sun shines')
  expect((await made.results()).map(({ is_stale }) => is_stale)).toEqual([false, true])
  made.model.answer(mood('happy'))
  expect(await made.run({ ...whole, only: 'stale' })).toMatchObject({ blocks: 1, done: 1 })
  expect(made.model.asked()).toHaveLength(1)
  expect(await made.results()).toMatchObject([
    { block_id: chat, result: { mood: 'glad' }, is_stale: false },
    { block_id: call, result: { mood: 'happy' }, is_stale: false },
  ])
  expect(await costs()).toEqual({ ledger: 0.075, results: 0.075 })
})

it('a changed lens makes its results stale, and only what has a result is read again', async () => {
  made.model.answer(mood('calm'))
  const block = await made.addBlock('Call', 'Hello')
  await made.run({ block_id: block })
  await made.ann.client
    .schema('conversation')
    .from('lens_prototypes')
    .update({ prompt_template: 'Name the mood in French.' })
    .eq('id', made.lens)
    .throwOnError()
  expect(await made.results()).toMatchObject([{ version: 1, is_stale: true }])
  await made.addBlock('New', 'Never read')
  expect(await made.run({ project_id: made.project, only: 'stale' })).toMatchObject({ blocks: 1 })
  const [row] = (await made.results()).filter(({ version }) => version === 2)
  expect(row).toMatchObject({ block_id: block, is_stale: false })
  // The former version is read again where it is asked for, and never without a need.
  expect(await made.run({ block_id: block, version: 1 })).toMatchObject({ calls: 0 })
})

it('two models of a lens are compared over the same blocks', async () => {
  const block = await made.addBlock('Call', 'Hello')
  made.model.answer(mood('calm'))
  await made.run({ block_id: block })
  made.model.answer(mood('sad'))
  await made.run({ block_id: block, model: 'model-2' })
  const { data } = await made.ann.client
    .schema('conversation')
    .from('lens_comparisons')
    .select()
    .eq('lens_id', made.lens)
    .throwOnError()
  expect(data).toMatchObject([
    {
      block_id: block,
      answered_by: 'model-1',
      result: { mood: 'calm' },
      other_answered_by: 'model-2',
      other_result: { mood: 'sad' },
      is_same: false,
    },
  ])
})

it('an answer that does not match the schema fails with its code and its cost', async () => {
  const block = await made.addBlock('Call', 'Hello')
  made.model.answer({ text: ['{"mood": 3}'] })
  expect(await made.run({ block_id: block })).toMatchObject({ status: 'done', done: 0, failed: 1 })
  expect(await made.results()).toMatchObject([
    { result: null, error_code: 'answer_does_not_match_schema', cost_usd: 0.025 },
  ])
  expect(await costs()).toEqual({ ledger: 0.025, results: 0.025 })
  // A failed result is no result: the next run asks again.
  made.model.answer(mood('calm'))
  expect(await made.run({ block_id: block })).toMatchObject({ done: 1 })
})

it('a block longer than half of the window is read in parts, and their results are joined', async () => {
  await made.sql`
    update public.models set context_tokens = 4096
    where organization_id = ${made.ann.organization.id}`
  const block = await made.addBlock('Long', 'a'.repeat(3000), 'b'.repeat(3000), 'c'.repeat(9000))
  const { data } = await made.ann.client
    .rpc('estimate_lens_run', { lens_id: made.lens, block_id: block })
    .throwOnError()
  expect(data).toMatchObject({ blocks: 1, version: 1 })
  const parts = Number(data.calls) - 1
  expect(parts).toBeGreaterThan(3)
  made.model.answer(...Array.from({ length: parts }, (_, n) => mood(`part ${n}`)), mood('whole'))
  expect(await made.run({ block_id: block })).toMatchObject({ done: 1, calls: parts + 1 })
  const asked = made.model.asked()
  expect(asked).toHaveLength(parts + 1)
  const read = asked.slice(0, -1).map(({ messages }) => String(messages.at(-1)?.['content']))
  expect(read.join('').replaceAll(/[^abc]/g, '')).toContain('a'.repeat(3000) + 'b'.repeat(3000))
  expect(read.join('').match(/c{9000}/)).not.toBeNull()
  expect(JSON.parse(String(asked.at(-1)?.messages.at(-1)?.['content']))).toEqual(
    Array.from({ length: parts }, (_, n) => ({ mood: `part ${n}` })),
  )
  expect(await made.results()).toMatchObject([
    { result: { mood: 'whole' }, cost_usd: 0.025 * (parts + 1) },
  ])
})

it('a spent budget stops the run, which goes on when there is money again', async () => {
  const { id } = made.ann.organization
  const block = await made.addBlock('Call', 'Hello')
  await made.sql`
    insert into client_mgmt.budgets (organization_id, period, limit_tokens) values (${id}, 'day', 10)`
  made.model.answer(mood('calm'))
  const stopped = await made.run({ block_id: block })
  expect(stopped).toMatchObject({
    status: 'running',
    remaining: 1,
    stopped: { code: 'budget_exceeded' },
  })
  expect(made.model.asked()).toEqual([])
  await made.sql`delete from client_mgmt.budgets where organization_id = ${id}`
  const response = await made.post(made.ann, `lens-runs/${stopped.id}/continue`)
  expect(await response.json()).toMatchObject({ status: 'done', done: 1 })
})

it('a cancelled run reads no further block', async () => {
  const { id } = made.ann.organization
  const block = await made.addBlock('Call', 'Hello')
  await made.sql`
    insert into client_mgmt.budgets (organization_id, period, limit_tokens) values (${id}, 'day', 10)`
  made.model.answer(mood('calm'))
  const { id: run_id } = await made.run({ block_id: block })
  await made.sql`delete from client_mgmt.budgets where organization_id = ${id}`
  const { data } = await made.ann.client.rpc('cancel_lens_run', { run_id }).throwOnError()
  expect(data).toBe('cancelled')
  const response = await made.post(made.ann, `lens-runs/${run_id}/continue`)
  expect(await response.json()).toMatchObject({ status: 'cancelled', remaining: 0, done: 0 })
  expect(made.model.asked()).toEqual([])
})

it('the key of a call of a lens is no key of another request', async () => {
  const block = await made.addBlock('Call', 'Hello')
  made.model.answer(mood('calm'))
  const { id } = await made.run({ block_id: block })
  const response = await invoke(
    made.ann,
    { agent: made.agent, message: { content: 'x' } },
    { 'idempotency-key': `lens/${id}/${block}/1` },
  )
  expect(response.status).toBe(409)
})
