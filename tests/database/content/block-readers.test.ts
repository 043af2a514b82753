import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import { addAgent } from '../../support/rows/executions.ts'
import { addBlock, type Content } from '../../support/rows/content.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

interface Scene {
  /** Manages projects and is a reader. */
  owner: Member
  /** Reads what every member reads. */
  colleague: Member
  /** Manages projects and is no reader. */
  manager: Member
  content: Content
  lens: string
}

const choose = (block: number, users: string[] | null) => (t: TransactionSql) =>
  t`select public.set_block_readers(${block}, ${users}) as readers`

/** How many rows about a block the actor sees, in each place that has some. */
const seen = (tx: TransactionSql, actor: Member) =>
  as(tx, actor, async (t) => {
    const [row] = await t`
      select (select count(*)::int from conversation.blocks) as blocks,
        (select count(*)::int from conversation.project_blocks) as project_blocks,
        (select count(*)::int from conversation.turns) as turns,
        (select count(*)::int from conversation.block_turns) as places,
        (select count(*)::int from conversation.block_lens_version) as results,
        (select count(*)::int from conversation.lens_results) as lens_results,
        (select count(*)::int from public.search('canary')) as found`
    return row
  })
const all = {
  blocks: 1,
  project_blocks: 1,
  turns: 1,
  places: 1,
  results: 1,
  lens_results: 1,
  found: 2,
}
const nothing = Object.fromEntries(Object.keys(all).map((key) => [key, 0]))

async function scene(work: (tx: TransactionSql, made: Scene) => Promise<void>) {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const colleague = await addMember(tx, owner.organizationId)
    const manager = await addMember(tx, owner.organizationId)
    await tx`
      update client_mgmt.client_users set permissions = '{projects.manage}'
      where organization_id = ${owner.organizationId} and user_id = ${manager.id}`
    await addAgent(tx, owner)
    const content = await addBlock(tx, owner, 1)
    const [turn = 0] = content.turns
    await tx`update conversation.turns set content = 'canary' where id = ${turn}`
    await tx`
      insert into conversation.block_turns (organization_id, block_id, turn_id, sequence_order)
      values (${owner.organizationId}, ${content.block}, ${turn}, 1)`
    const [lens] = await tx<{ id: string }[]>`
      insert into conversation.lens_prototypes (organization_id, name, prompt_template)
      values (${owner.organizationId}, 'own', 'Count.') returning id`
    await tx`
      insert into conversation.block_lens_version
        (organization_id, run_id, block_id, lens_id, version, result, input_hash, execution_ids)
      values (
        ${owner.organizationId}, 1, ${content.block}, ${lens?.id ?? ''}, 1, '{"text": "canary"}', '', '{}'
      )`
    await work(tx, { owner, colleague, manager, content, lens: lens?.id ?? '' })
  })
}

test('a chosen block, its turns and its results are read by its readers alone, and by all again', async () => {
  await scene(async (tx, { owner, colleague, manager, content: { block } }) => {
    for (const member of [owner, colleague, manager]) expect(await seen(tx, member)).toEqual(all)
    expect(await as(tx, owner, choose(block, []))).toEqual([{ readers: 1 }])
    expect(await seen(tx, owner)).toEqual(all)
    for (const member of [colleague, manager]) expect(await seen(tx, member)).toEqual(nothing)
    await as(tx, owner, choose(block, [colleague.id]))
    expect(await seen(tx, colleague)).toEqual(all)
    expect(await seen(tx, manager)).toEqual(nothing)
    await as(tx, owner, choose(block, null))
    expect(await seen(tx, manager)).toEqual(all)
  })
})

test('content.read_all reads a chosen block', async () => {
  await scene(async (tx, { owner, colleague, content: { block } }) => {
    await as(tx, owner, choose(block, []))
    await tx`
      update client_mgmt.client_users set permissions = '{content.read_all}'
      where organization_id = ${owner.organizationId} and user_id = ${colleague.id}`
    expect(await seen(tx, colleague)).toEqual(all)
  })
})

test('a turn that has left a chosen block stays with the readers of a block that has it', async () => {
  await scene(async (tx, { owner, colleague, content: { block, turns } }) => {
    await as(tx, owner, choose(block, []))
    await as(tx, owner, (t) => t`select public.set_block_turns(${block}, '{}')`)
    expect(await seen(tx, colleague)).toEqual(nothing)
    const read = (t: TransactionSql) =>
      t`select 1 from conversation.turns where id = ${turns[0] ?? 0}`
    expect(await as(tx, owner, read)).toEqual([])
    await tx`delete from conversation.blocks where id = ${block}`
    expect(await as(tx, colleague, read)).toEqual([])
  })
})

test('who does not read a chosen block neither changes it nor runs a lens over it', async () => {
  await scene(async (tx, { owner, manager, colleague, content, lens }) => {
    const { block, turns, project } = content
    await as(tx, owner, choose(block, []))
    expect(await refusal(tx, manager, choose(block, null))).toBe('PT404 block_not_found')
    expect(await refusal(tx, colleague, choose(block, null))).toBe('42501 permission_denied')
    const order = (t: TransactionSql) => t`select public.set_block_turns(${block}, '{}')`
    expect(await refusal(tx, manager, order)).toBe('PT404 block_not_found')
    const run = (t: TransactionSql) => t`
      select public.begin_lens_run(${lens}, block_id => ${block})`
    expect(await refusal(tx, manager, run)).toBe('PT404 block_not_found')
    const whole = (t: TransactionSql) => t<{ blocks: number }[]>`
      select blocks from public.estimate_lens_run(${lens}, ${project})`
    expect(await as(tx, manager, whole)).toMatchObject([{ blocks: 0 }])
    expect(await as(tx, owner, whole)).toMatchObject([{ blocks: 1 }])
    await as(tx, manager, (t) => t`update conversation.blocks set name = 'mine'`)
    await as(tx, manager, (t) => t`update conversation.turns set content = 'mine'`)
    await as(tx, manager, (t) => t`delete from conversation.block_turns`)
    await as(tx, manager, (t) => t`delete from conversation.block_lens_version`)
    const [row] = await tx`
      select b.name, t.content from conversation.blocks b, conversation.turns t
      where b.id = ${block} and t.id = ${turns[0] ?? 0}`
    expect(row).toEqual({ name: 'block', content: 'canary' })
    expect(await seen(tx, owner)).toEqual(all)
  })
})

test('a run leaves out a block that its person reads no more', async () => {
  await scene(async (tx, { owner, manager, content: { block }, lens }) => {
    const [run] = await as(
      tx,
      manager,
      (t) => t<{ id: string }[]>`select public.begin_lens_run(${lens}, block_id => ${block}) as id`,
    )
    await as(tx, owner, choose(block, []))
    const claim = (t: TransactionSql) => t`select public.claim_lens_block(${run?.id ?? ''}) as it`
    expect(await as(tx, manager, claim)).toEqual([{ it: null }])
  })
})

test('only members can be readers', async () => {
  await scene(async (tx, { owner, content: { block } }) => {
    const stranger = await addOwner(tx)
    expect(await refusal(tx, owner, choose(block, [stranger.id]))).toBe('PT404 member_not_found')
    expect(await refusal(tx, stranger, choose(block, null))).toBe('PT404 block_not_found')
  })
})
