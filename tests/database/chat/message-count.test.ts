import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addOwner, as, type Member } from '../../support/people/tenants.ts'
import { addAgent, invoke } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const countOf = async (tx: TransactionSql, actor: Member) => {
  const rows = await as(tx, actor, (t) => t`select message_count from public.v_recent_sessions`)
  return rows.map((row) => Number(row.message_count))
}

test('message_count counts the branch that the session shows, and no abandoned one', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner)
    const { begun: first } = await invoke(tx, owner, { agent })
    const { session_id } = first
    expect(await countOf(tx, owner)).toEqual([2])
    const { begun: second } = await invoke(tx, owner, { agent, session_id })
    await invoke(tx, owner, { agent, session_id })
    expect(await countOf(tx, owner)).toEqual([6])
    // Another question in the place of the second: its branch has the first two messages and its own.
    const parent_id = first.response_message_id
    await invoke(tx, owner, { agent, session_id, parent_id })
    expect(await countOf(tx, owner)).toEqual([4])
    await invoke(tx, owner, { agent, session_id, regenerate: first.message_id })
    expect(await countOf(tx, owner)).toEqual([2])
    await as(
      tx,
      owner,
      (t) => t`update public.chat_sessions set current_message_id = ${second.response_message_id}`,
    )
    expect(await countOf(tx, owner)).toEqual([4])
    await as(tx, owner, (t) => t`insert into public.chat_sessions (title) values ('empty')`)
    expect((await countOf(tx, owner)).sort()).toEqual([0, 4])
  })
})
