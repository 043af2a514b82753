import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  type Actor,
  addMember,
  addOwner,
  as,
  type Member,
  refusal,
} from '../../support/people/tenants.ts'
import { addAgent, begin, invoke } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

/** What a conversation leaves, table by table, and who of the actors reads a row of it. */
const tables = ['public.chat_sessions', 'public.chat_messages', 'public.agent_executions']

async function readers(tx: TransactionSql, people: Record<string, Actor>): Promise<string[]> {
  const names = []
  for (const [name, person] of Object.entries(people)) {
    const counts = []
    for (const table of tables) {
      const rows = await as(tx, person, (t) => t.unsafe(`select 1 from ${table}`))
      counts.push(rows.length > 0)
    }
    expect(new Set(counts).size, `${name} reads all of it or nothing`).toBe(1)
    if (counts[0] === true) names.push(name)
  }
  return names
}

/** Everyone there is, and a conversation of the author. */
async function arrange(tx: TransactionSql) {
  const owner = await addOwner(tx)
  const add = (role: string, permissions?: string[]) =>
    addMember(tx, owner.organizationId, role, permissions)
  const people = {
    author: await add('member'),
    owner,
    admin: await add('admin'),
    member: await add('member'),
    reader: await add('member', ['content.read_all']),
    stranger: await addOwner(tx),
  }
  const { name } = await addAgent(tx, owner)
  const { begun } = await invoke(tx, people.author, { agent: name })
  return { people, sessionId: begun.session_id, agent: name }
}

test('a private conversation is read by its author and with content.read_all, no other', async () => {
  await rolledBack(sql, async (tx) => {
    const { people } = await arrange(tx)
    expect(await readers(tx, people)).toEqual(['author', 'reader'])
  })
})

test('a shared conversation is read by every member, and by no other organization', async () => {
  await rolledBack(sql, async (tx) => {
    const { people, sessionId } = await arrange(tx)
    const share = (t: TransactionSql) =>
      t`update public.chat_sessions set visibility = 'organization' where id = ${sessionId}`
    expect((await as(tx, people.admin, share)).count).toBe(0)
    expect((await as(tx, people.author, share)).count).toBe(1)
    expect(await readers(tx, people)).toEqual(['author', 'owner', 'admin', 'member', 'reader'])
  })
})

test('reading a conversation gives no right to change it or to go on in it', async () => {
  await rolledBack(sql, async (tx) => {
    const { people, sessionId } = await arrange(tx)
    await as(
      tx,
      people.author,
      (t) => t`update public.chat_sessions set visibility = 'organization'`,
    )
    const proceed = begin({ session_id: sessionId })
    for (const person of [people.owner, people.reader]) {
      for (const statement of [
        `update public.chat_sessions set title = 'x'`,
        `delete from public.chat_sessions`,
      ]) {
        expect((await as(tx, person, (t) => t.unsafe(statement))).count).toBe(0)
      }
      expect(await refusal(tx, person, proceed)).toBe('PT404 session_not_found')
    }
    for (const person of [people.author, people.owner]) {
      const rewrite = (t: TransactionSql) => t`update public.chat_messages set content = 'x'`
      expect(await refusal(tx, person, rewrite)).toMatch(/^42501 /)
    }
  })
})

test('usage is seen by the person who caused it, and by holders of billing.manage', async () => {
  await rolledBack(sql, async (tx) => {
    const { people } = await arrange(tx)
    const sees = async (person: Member) => {
      const rows = await as(tx, person, (t) => t`select 1 from client_mgmt.usage_ledger`)
      return rows.length
    }
    expect(await sees(people.author)).toBe(1)
    expect(await sees(people.owner)).toBe(1)
    for (const person of [people.admin, people.member, people.stranger]) {
      expect(await sees(person)).toBe(0)
    }
  })
})

test('only an invocation marks a session as transient, and no client opens one that is marked', async () => {
  await rolledBack(sql, async (tx) => {
    const { people, sessionId, agent } = await arrange(tx)
    const { session_id: marked } = await as(tx, people.author, begin({ agent, transient: true }))
    type Step = (t: TransactionSql) => Promise<unknown>
    const refused: Step[] = [
      (t) => t`
        insert into public.chat_sessions (status, metadata) values ('closed', '{"transient": true}')`,
      (t) => t`
        insert into public.chat_sessions (id, metadata) values (${sessionId}, '{"transient": true}')
        on conflict (organization_id, id) do update set metadata = excluded.metadata`,
      (t) => t`
        update public.chat_sessions set status = 'closed', metadata = '{"transient": true, "a": 1}'
        where id = ${sessionId}`,
      (t) => t`update public.chat_sessions set status = 'active' where id = ${marked}`,
      (t) => t`update public.chat_sessions set status = 'archived' where id = ${marked}`,
    ]
    for (const step of refused) {
      expect(await refusal(tx, people.author, step)).toBe('22023 invalid_request')
    }
    const allowed: Step[] = [
      (t) => t`insert into public.chat_sessions (metadata) values ('{"transient": false}')`,
      (t) => t`update public.chat_sessions set metadata = '{"a": 1}' where id = ${sessionId}`,
      (t) => t`
        update public.chat_sessions set metadata = metadata || '{"a": 1}', title = 't'
        where id = ${marked}`,
      (t) =>
        t`update public.chat_sessions set status = 'active', metadata = '{}' where id = ${marked}`,
    ]
    for (const step of allowed) expect(await refusal(tx, people.author, step)).toBe('allowed')
  })
})
