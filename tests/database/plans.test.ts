import { readFile } from 'node:fs/promises'
import type { Sql, TransactionSql } from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { actAs, rolledBack } from '../support/stack/database.ts'
import { useDatabase } from '../support/stack/stack.ts'
import { createWorlds, type Worlds } from './isolation/scratch.ts'

// Whether an index serves a statement. The planner has to do without what costs as much as a table is
// long: it reads a table or sorts only where no index serves.

let worlds: Worlds

beforeAll(async () => {
  worlds = await createWorlds(useDatabase().databaseUrl)
  await plantMany(worlds.full, worlds.world.a.organizationId)
}, 180_000)

afterAll(() => worlds.close())

/** Conversations of all the people of an organization: as many that the planner tells the indexes apart. */
async function plantMany(sql: Sql, organization: number): Promise<void> {
  await sql.begin(async (tx) => {
    const tables = ['public.chat_sessions', 'public.agent_executions']
    for (const table of tables) await tx.unsafe(`alter table ${table} disable trigger user`)
    await tx`
      insert into public.chat_sessions (organization_id, user_id, status, last_message_at, updated_at)
      select m.organization_id, m.user_id, (array['active', 'archived', 'closed'])[1 + n % 3],
        now() - n * interval '1 hour', now() - n * interval '1 hour'
      from client_mgmt.client_users m, generate_series(1, 200) n
      where m.organization_id = ${organization}`
    await tx`
      insert into public.chat_messages (organization_id, session_id, user_id, role, created_at)
      select s.organization_id, s.id, s.user_id, 'user', s.last_message_at from public.chat_sessions s, generate_series(1, 3)
      where s.organization_id = ${organization}`
    await tx`
      insert into public.agent_executions (
        organization_id, session_id, user_id, message_id, status, request_hash, lease_expires_at, completed_at, created_at
      )
      select m.organization_id, m.session_id, m.user_id, m.id, 'success', '', now(), now(), m.created_at
      from public.chat_messages m where m.organization_id = ${organization}`
    await tx`
      insert into conversation.execution_events (organization_id, execution_id, seq, event)
      select x.organization_id, x.id, 1000, '[]' from public.agent_executions x
      where x.organization_id = ${organization}`
    await tx`
      insert into client_mgmt.usage_ledger (organization_id, execution_id, user_id, provider, model_id, created_at)
      select x.organization_id, gen_random_uuid(), x.user_id, 'p', 'm', x.created_at from public.agent_executions x
      where x.organization_id = ${organization}`
    for (const table of tables) await tx.unsafe(`alter table ${table} enable trigger user`)
  })
  await sql`analyze`
}

/** The lines of the plan that a member's statement has. */
async function planOf(tx: TransactionSql, statement: string): Promise<string[]> {
  const rows = await tx.unsafe(`explain (costs off) ${statement}`)
  return rows.map((line) => String(line['QUERY PLAN']))
}

const member = () => {
  const found = worlds.world.actors.find(({ name }) => name === 'member')
  if (found === undefined) throw new Error('nobody is called member')
  return found
}

const asMember = <Result>(work: (tx: TransactionSql) => Promise<Result>): Promise<Result> =>
  rolledBack(worlds.full, async (tx) => {
    await actAs(tx, 'authenticated', member().claims)
    await tx`
      select set_config(name, 'off', true)
      from unnest(array['enable_seqscan', 'enable_sort', 'enable_hashjoin', 'enable_material']) name`
    return work(tx)
  })

/** The lines of a plan that cost as much as a table, or a tenant's part of it, is long. */
const offences = (plan: readonly string[]): string[] =>
  plan.filter((line) => /Seq Scan|^\s*(->\s+)?Sort$/.test(line))

/** Whether an index finds the rows by one of the columns. */
const finds = (plan: readonly string[], columns: readonly string[]): boolean =>
  plan.some((line) => new RegExp(`Index Cond: .*\\b(${columns.join('|')})\\b`).test(line))

test('every statement of docs/queries.md uses the index that its line names', async () => {
  const page = await readFile('docs/queries.md', 'utf8')
  const lines = [...page.matchAll(/\| `(select [^`]+)` +\| `(\w+)` +\|/g)]
  expect(lines.length).toBeGreaterThan(10)
  const { userId } = member()
  const found = await asMember(async (tx) => {
    const wrong: { statement: string; plan: string[] }[] = []
    for (const [, statement = '', index = ''] of lines) {
      const plan = await planOf(tx, statement.replaceAll('$me', `'${userId ?? ''}'`))
      const uses = plan.some((line) => line.includes(` ${index}`))
      if (!uses || offences(plan).length > 0) {
        wrong.push({ statement, plan })
      }
    }
    return wrong
  })
  expect(found).toEqual([])
})

interface Index {
  name: string
  table: string
  /** After organization_id, with the operators that order them. */
  columns: string[]
  descending: boolean
  /** Of a partial index, the rows that it has. */
  predicate: string | null
  /** Whether the table is long enough here for one index to be cheaper than another. */
  isLong: boolean
}

/** Indexes of a tenant's rows, partial ones too, with two to four columns, that clients may use. */
const indexes = () => worlds.full<Index[]>`
  select i.relname as name, n.nspname || '.' || c.relname as table,
    (x.indoption[x.indnkeyatts - 1] & 1) = 1 as descending, c.reltuples > 500 as "isLong",
    pg_get_expr(x.indpred, x.indrelid) as predicate,
    array(
      select a.attname::text from unnest(x.indkey::int2[]) with ordinality k(attnum, n)
      join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
      where k.n between 2 and x.indnkeyatts order by k.n
    ) as columns
  from pg_index x
  join pg_class i on i.oid = x.indexrelid
  join pg_class c on c.oid = x.indrelid
  join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute first on first.attrelid = c.oid and first.attnum = x.indkey[0]
  where n.nspname in ('public', 'client_mgmt', 'conversation') and first.attname = 'organization_id' and first.attnotnull
    and x.indnkeyatts between 2 and 4 and x.indexprs is null
    and has_table_privilege('authenticated', c.oid, 'select')
  order by 2, 1`

test('equality with an indexed column, and the order that follows it, read no table and sort none', async () => {
  const all = await indexes()
  expect(all.filter(({ predicate }) => predicate !== null).length).toBeGreaterThan(5)
  expect(all.length).toBeGreaterThan(60)
  const types = await worlds.full<{ column: string; type: string }[]>`
    select table_schema || '.' || table_name || '.' || column_name as column, udt_name as type
    from information_schema.columns`
  const typeOf = new Map(types.map(({ column, type }) => [column, type]))
  const found = await asMember(async (tx) => {
    const wrong: { statement: string; plan: string[] }[] = []
    for (const { table, columns, descending, predicate, isLong } of all) {
      const equal = columns.slice(0, -1).map((column) => {
        const type = typeOf.get(`${table}.${column}`) ?? 'text'
        return `${column} = (select null::${type})`
      })
      const last = columns.at(-1) ?? ''
      if (predicate !== null) equal.unshift(predicate)
      const where = equal.length > 0 ? `where ${equal.join(' and ')}` : ''
      const type = typeOf.get(`${table}.${last}`) ?? 'text'
      const statements = [
        `select * from ${table} ${where} order by ${last} ${descending ? 'desc' : 'asc'} limit 50`,
        `select * from ${table} where ${[...equal, `${last} = (select null::${type})`].join(' and ')}`,
      ]
      for (const statement of statements) {
        const plan = await planOf(tx, statement)
        const found = !isLong || statement.includes('limit') || finds(plan, columns)
        if (!found || offences(plan).length > 0) wrong.push({ statement, plan })
      }
    }
    return wrong
  })
  expect(found).toEqual([])
}, 120_000)
