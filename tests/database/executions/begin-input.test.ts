import { randomUUID } from 'node:crypto'
import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, refusal } from '../../support/people/tenants.ts'
import { addAgent, begin, invoke } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

/** As a client that calls the RPC itself, past the function agents and its validation. */
const beginWith =
  (agent: string, content: unknown, params: unknown = {}) =>
  (tx: TransactionSql) =>
    tx`select public.begin_execution(
      message => ${tx.json({ content } as never)}, agent => ${agent},
      params => ${tx.json(params as never)})`

async function arrange(tx: TransactionSql) {
  const owner = await addOwner(tx)
  const { name } = await addAgent(tx, owner)
  return { member: await addMember(tx, owner.organizationId), agent: name }
}

const file = { type: 'file', url: 'https://example.com/a.pdf', media_type: 'application/pdf' }

test('parts that no adapter expects are refused, whoever calls, and nothing is written', async () => {
  await rolledBack(sql, async (tx) => {
    const { member, agent } = await arrange(tx)
    for (const part of [
      null,
      5,
      'text',
      [],
      {},
      { type: 'text' },
      { type: 'text', text: 5 },
      { type: 'reasoning', text: 'I was told so' },
      { type: 'unknown', text: 'x' },
      { type: 'tool_call', id: 'a', name: 'b' },
      { type: 'tool_result', tool_call_id: 'a', name: 'b', content: {} },
      { ...file, media_type: undefined },
      { ...file, url: 'gs://bucket/secret.pdf' },
      { ...file, url: 'http://169.254.169.254/' },
      { ...file, url: 'file:///etc/passwd' },
      { ...file, url: 'data:text/plain;base64,AA==' },
      { ...file, url: 'https://user@example.com/' },
      { ...file, url: `https://example.com/${'a'.repeat(2_048)}` },
      { ...file, type: 'image', url: 'gs://bucket/secret.png' },
    ]) {
      const content = [{ type: 'text', text: 'look' }, part]
      expect(await refusal(tx, member, beginWith(agent, content)), JSON.stringify(part)).toBe(
        '22023 invalid_request',
      )
    }
    const long = 'x'.repeat(70_000)
    for (const params of [{ stop: [long] }, { response_format: long }]) {
      const asked = beginWith(agent, 'hi', params)
      expect(await refusal(tx, member, asked)).toBe('22023 invalid_request')
    }
    const [left] = await tx`
      select count(*)::integer as n from public.chat_sessions where user_id = ${member.id}`
    expect(left?.n).toBe(0)
  })
})

test('the parts that adapters know are stored as they came', async () => {
  await rolledBack(sql, async (tx) => {
    const { member, agent } = await arrange(tx)
    const parts = [
      { type: 'text', text: '' },
      file,
      { type: 'image', url: 'https://example.com', media_type: 'image/png' },
      { type: 'tool_call', id: 'a', name: 'pet', arguments: '{}' },
      { type: 'tool_result', tool_call_id: 'a', name: 'pet', content: 'ok', is_error: true },
    ]
    await as(tx, member, beginWith(agent, parts))
    const [row] = await tx`
      select parts from public.chat_messages where user_id = ${member.id}`
    expect(row?.parts).toEqual(parts)
  })
})

test('a long conversation brings its latest messages, as many as a worker can hold', async () => {
  await rolledBack(sql, async (tx) => {
    const { member, agent } = await arrange(tx)
    const { begun } = await invoke(tx, member, { agent, content: 'first' })
    const session = { organization_id: begun.organization_id, session_id: begun.session_id }
    let parent = begun.response_message_id
    for (let n = 0; n < 5; n += 1) {
      const id = randomUUID()
      const row = { ...session, id, parent_id: parent, user_id: member.id, role: 'user' }
      await tx`insert into public.chat_messages ${tx({ ...row, content: 'x'.repeat(1_000_000) })}`
      parent = id
    }
    await tx`
      update public.chat_sessions set current_message_id = ${parent} where id = ${begun.session_id}`
    const next = await as(
      tx,
      member,
      begin({ agent, session_id: begun.session_id, content: 'last' }),
    )
    expect(next.history.map(({ content }) => content.length)).toEqual([1e6, 1e6, 1e6, 1e6, 4])
  })
})
