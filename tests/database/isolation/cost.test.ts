import type { Sql, TransactionSql } from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { actAs, rolledBack } from '../../support/stack/database.ts'
import { useDatabase } from '../../support/stack/stack.ts'
import type { Actor } from './actors.ts'
import { relationExpectations } from './expectations/index.ts'
import { member } from './rules.ts'
import { createWorlds, type Worlds } from './scratch.ts'

// What the check of the caller costs each statement: lookups in user_sessions by its primary key.

let worlds: Worlds
let sql: Sql

beforeAll(async () => {
  worlds = await createWorlds(useDatabase().databaseUrl)
  sql = worlds.full
  // As many sessions as make an index the obvious choice.
  await sql`alter table public.user_sessions disable trigger user`
  await sql`
    insert into public.user_sessions (organization_id, id, user_id)
    select s.organization_id, gen_random_uuid(), s.user_id
    from public.user_sessions s, generate_series(1, 500)`
  await sql`alter table public.user_sessions enable trigger user`
  await sql`analyze public.user_sessions`
}, 180_000)

afterAll(() => worlds.close())

const session = (name: string): Actor => {
  const actor = worlds.world.actors.find((one) => one.name === name)
  if (actor === undefined) throw new Error(`nobody is called ${name}`)
  return actor
}

/** How often a statement looks into user_sessions, by whatever index, and how often it scans it. */
async function lookups(tx: TransactionSql, statement: string) {
  const read = async () => {
    const [row] = await tx<{ idx: number; seq: number }[]>`
      select pg_stat_get_xact_numscans('public.user_sessions'::regclass)::integer as seq, (
        select sum(pg_stat_get_xact_numscans(i.indexrelid))::integer from pg_index i
        where i.indrelid = 'public.user_sessions'::regclass
      ) as idx`
    return row ?? { idx: 0, seq: 0 }
  }
  const before = await read()
  await tx.unsafe(statement)
  const after = await read()
  return { index: after.idx - before.idx, sequential: after.seq - before.seq }
}

const as = <Result>(name: string, work: (tx: TransactionSql) => Promise<Result>) =>
  rolledBack(sql, async (tx) => {
    await actAs(tx, 'authenticated', session(name).claims)
    return work(tx)
  })

const lastMessages = `
  select * from public.chat_messages
  where session_id = (select id from public.chat_sessions limit 1)
  order by created_at desc limit 50`

test('the check is one lookup, by the primary key of user_sessions', async () => {
  const { rows } = await rolledBack(sql, async (tx) => {
    const [row] = await tx<{ body: string }[]>`
      select prosrc as body from pg_proc where oid = 'private.current_session()'::regprocedure`
    const query = /select s\.\* into result\s+(from[^;]+);/.exec(row?.body ?? '')?.[1]
    if (query === undefined) throw new Error('current_session() no longer reads one row')
    const { organizationId, claims } = session('member')
    const literal = query
      .replaceAll('organization::bigint', `${organizationId}`)
      .replaceAll('session::uuid', `'${String(claims.session_id)}'::uuid`)
      .replaceAll('account::uuid', `'${String(claims.sub)}'::uuid`)
    const plan = await tx.unsafe(`explain select s.* ${literal}`)
    return { rows: plan.map((line) => String(line['QUERY PLAN'])) }
  })
  expect(rows[0]).toMatch(/^Index Scan using user_sessions_(pkey|id_key) on user_sessions/)
})

test('reading the last messages of a session of one’s own is one lookup', async () => {
  const { userId } = session('member')
  const [mine] = (worlds.world.rows.get('public.chat_sessions') ?? []).filter(
    (row) => row.user_id === userId,
  )
  const statement = `select * from public.chat_messages where session_id = '${JSON.stringify(mine?.id).slice(1, -1)}' limit 50`
  expect(await as('member', (tx) => lookups(tx, statement))).toEqual({ index: 1, sequential: 0 })
})

test('the check runs once per statement, however many rows there are', async () => {
  const plan = await as('member', async (tx) => {
    const rows = await tx.unsafe(
      `explain (analyze, costs off, timing off, summary off) ${lastMessages}`,
    )
    return rows.map((line) => String(line['QUERY PLAN']))
  })
  const checks = plan.filter(
    (line, index) => plan[index - 1]?.includes('InitPlan') && line.includes('Result'),
  )
  expect(checks.length).toBeGreaterThan(0)
  for (const line of checks) expect(line).toMatch(/loops=1\)|never executed/)
})

test('reading what every member sees is one lookup, of blocks three, and no read is a scan or more than eight, of a view ten, of results twenty-five', async () => {
  // Those of blocks list the blocks that chosen members see: the organization and a permission more.
  const listing = await sql<{ id: string }[]>`
    select distinct schemaname || '.' || tablename as id from pg_policies
    where cmd = 'SELECT' and qual like '%hidden_blocks%'`
  const lists = new Set(listing.map(({ id }) => id))
  const costs = await as('administrator', async (tx) => {
    const found: { id: string; index: number; sequential: number; open: boolean; most: number }[] =
      []
    for (const [id, { grants, select }] of Object.entries(relationExpectations)) {
      const columns = grants.authenticated?.select?.replaceAll(' ', ', ')
      if (columns === undefined || id.includes('user_sessions')) continue
      const isView = worlds.world.catalog.relations.some(
        (one) => one.id === id && one.kind === 'view',
      )
      const cost = await lookups(tx, `select ${columns} from ${id}`)
      // Three tables and the list of hidden blocks, once or for both sides.
      const ofResults = /lens_(results|comparisons)$/.test(id)
      found.push({
        id,
        ...cost,
        open: select === member && !isView,
        most: ofResults ? 25 : isView ? 10 : 8,
      })
    }
    return found
  })
  const open = costs.filter((one) => one.open)
  expect(open.length).toBeGreaterThan(10)
  expect(open.filter(({ id, index }) => index !== (lists.has(id) ? 3 : 1))).toEqual([])
  // A permission is another lookup, and a view one for each of its tables.
  expect(costs.filter(({ index, sequential, most }) => index > most || sequential > 0)).toEqual([])
})
