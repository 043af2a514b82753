import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'
import { addBlock } from '../../support/rows/content.ts'

const sql = connectOwner()

const put = (block: number, ...rows: [turn: number, place: number][]) => {
  const [turns, places] = [rows.map(([turn]) => turn), rows.map(([, place]) => place)]
  return (tx: TransactionSql) => tx`
    insert into conversation.block_turns (block_id, turn_id, sequence_order)
    select ${block}, r.turn, r.place from unnest(${turns}::bigint[], ${places}::int[]) r(turn, place)
    on conflict (organization_id, block_id, turn_id) do update set sequence_order = excluded.sequence_order`
}
const set = (block: number, turns: (number | null)[]) => (tx: TransactionSql) =>
  tx`select public.set_block_turns(${block}, ${turns}::bigint[]) as n`

async function scene(
  work: (
    tx: TransactionSql,
    made: { owner: Member; block: number; turns: number[] },
  ) => Promise<void>,
) {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await work(tx, { owner, ...(await addBlock(tx, owner, 4)) })
  })
}
/** The turns of a block, by their places among those of the scene. */
async function orderOf(tx: TransactionSql, block: number, turns: number[]): Promise<number[]> {
  const rows = await tx<{ turn_id: string; sequence_order: number }[]>`
    select turn_id, sequence_order from conversation.block_turns where block_id = ${block} order by 2`
  expect(rows.map((row) => row.sequence_order)).toEqual(rows.map((_, n) => n + 1))
  return rows.map((row) => turns.indexOf(Number(row.turn_id)))
}

test('a statement leaves the places of a block as 1, 2, 3 …, or is refused', async () => {
  await scene(async (tx, { owner, block, turns }) => {
    const [a = 0, b = 0, c = 0] = turns
    const refused = async (...rows: [number, number][]) => refusal(tx, owner, put(block, ...rows))
    expect(await refused([a, 2])).toBe('22023 invalid_order')
    expect(await refused([a, 1], [b, 5000])).toBe('22023 invalid_order')
    expect(await refused([a, -7])).toMatch(/^23514 /)
    expect(await refused([a, 0])).toMatch(/^23514 /)
    expect(await refused([a, 1], [b, 1])).toMatch(/^23505 /)
    expect(await orderOf(tx, block, turns)).toEqual([])
    await as(tx, owner, put(block, [a, 1], [b, 2], [c, 3]))
    expect(await orderOf(tx, block, turns)).toEqual([0, 1, 2])
    expect(
      await refusal(
        tx,
        owner,
        (t) => t`update conversation.block_turns set sequence_order = 9 where turn_id = ${c}`,
      ),
    ).toBe('22023 invalid_order')
    expect(await orderOf(tx, block, turns)).toEqual([0, 1, 2])
  })
})

test('one statement swaps two turns, and a deletion closes its gap', async () => {
  await scene(async (tx, { owner, block, turns }) => {
    const [a = 0, b = 0, c = 0] = turns
    await as(tx, owner, put(block, [a, 1], [b, 2], [c, 3]))
    await as(tx, owner, put(block, [c, 1], [a, 3]))
    expect(await orderOf(tx, block, turns)).toEqual([2, 1, 0])
    await as(tx, owner, (t) => t`delete from conversation.block_turns where turn_id = ${b}`)
    expect(await orderOf(tx, block, turns)).toEqual([2, 0])
    await as(tx, owner, (t) => t`delete from conversation.turns where id = ${c}`)
    expect(await orderOf(tx, block, turns)).toEqual([0])
  })
})

test('set_block_turns() gives a block exactly the turns of a list, in its order', async () => {
  await scene(async (tx, { owner, block, turns }) => {
    const [a = 0, b = 0, c = 0, d = 0] = turns
    expect([...(await as(tx, owner, set(block, [a, b, c])))]).toEqual([{ n: 3 }])
    expect(await orderOf(tx, block, turns)).toEqual([0, 1, 2])
    await as(tx, owner, set(block, [d, c, a]))
    expect(await orderOf(tx, block, turns)).toEqual([3, 2, 0])
    await as(tx, owner, set(block, []))
    expect(await orderOf(tx, block, turns)).toEqual([])
  })
})

test('set_block_turns() refuses what is no order of own turns, and changes nothing', async () => {
  await scene(async (tx, { owner, block, turns }) => {
    const [a = 0, b = 0] = turns
    await as(tx, owner, set(block, [a, b]))
    const other = await addOwner(tx)
    const foreign = await addBlock(tx, other, 1)
    const [theirs = 0] = foreign.turns
    for (const list of [
      [a, a],
      [a, theirs],
      [a, null],
      [a, 0],
    ]) {
      expect(await refusal(tx, owner, set(block, list)), String(list)).toBe('22023 invalid_request')
    }
    expect(await refusal(tx, owner, (t) => t`select public.set_block_turns(${block}, null)`)).toBe(
      '22023 invalid_request',
    )
    expect(await refusal(tx, owner, set(foreign.block, [a]))).toBe('PT404 block_not_found')
    expect(await refusal(tx, other, set(block, [theirs]))).toBe('PT404 block_not_found')
    const member = await addMember(tx, owner.organizationId)
    expect(await refusal(tx, member, set(block, [b]))).toBe('42501 permission_denied')
    expect(await orderOf(tx, block, turns)).toEqual([0, 1])
    const manager = await addMember(tx, owner.organizationId, 'member', ['projects.manage'])
    await as(tx, manager, set(block, [b]))
    expect(await orderOf(tx, block, turns)).toEqual([1])
  })
})
