import type { ReservedSql, Sql } from 'postgres'
import { startMigrated } from '../dev/check/database-steps.ts'
import { connect } from '../dev/postgres/database.ts'
import { measureRecall } from './search-vectors.ts'
import { measure, printComparisons, timeOf } from './support.ts'

// Keyword search of one organization among all messages: search() as a member, against the same words asked for
// by the owner of the tables, who names the organization; and the owner against a member's own text search
// through the policy. Then 10,000 searches over 100 organizations, which must find no foreign row, the import of
// 10,000 turns, and the nearest ten by meaning against the exact ones, by number of texts (BENCH_TEXTS). BENCH_MESSAGES=1000000 BENCH_TENANT=60000 for the full size; both are smaller by default.
const messages = Number(process.env.BENCH_MESSAGES ?? 100_000)
const tenant = Number(process.env.BENCH_TENANT ?? 6_000)
const searches = Number(process.env.BENCH_SEARCHES ?? 10_000)
const organizations = 100
const sizes = (process.env.BENCH_TEXTS ?? '100,1000,10000').split(',').map(Number)
const rounds = 15

/** Organization 1 has `tenant` messages, the others share the rest; a word is in one message of 200. */
async function plant(sql: Sql): Promise<void> {
  await sql`insert into auth.users (id, email)
    select md5('user' || n)::uuid, 'person' || n || '@example.com' from generate_series(1, ${organizations}::integer) n`
  await sql`insert into auth.sessions (id, user_id)
    select md5('session' || n)::uuid, md5('user' || n)::uuid from generate_series(1, ${organizations}::integer) n`
  await sql`insert into public.organizations (id, name, slug) overriding system value
    select n, 'Organization ' || n, 'organization-' || n from generate_series(1, ${organizations}::integer) n`
  await sql`insert into client_mgmt.client_users (organization_id, user_id, role)
    select n, md5('user' || n)::uuid, 'owner' from generate_series(1, ${organizations}::integer) n`
  await sql`insert into public.user_sessions (organization_id, id, user_id)
    select n, md5('session' || n)::uuid, md5('user' || n)::uuid from generate_series(1, ${organizations}::integer) n`
  await sql`insert into public.chat_sessions (organization_id, id, user_id)
    select n, md5('chat' || n)::uuid, md5('user' || n)::uuid from generate_series(1, ${organizations}::integer) n`
  await sql`insert into client_mgmt.projects (organization_id, id, name) overriding system value values (1, 1, 'One')`
  const rest = Math.ceil((messages - tenant) / (organizations - 1))
  await sql`insert into public.chat_messages (organization_id, session_id, user_id, role, content)
    select c.organization_id, c.id, c.user_id, 'user', (
      select string_agg('word' || (hashint4(m * 31 + w) & 1023), ' ') from generate_series(1, 40) w
    ) || ' of organization' || c.organization_id || case when m % 200 = 0 then ' needle' else '' end
    from public.chat_sessions c
    cross join lateral generate_series(
      1, case when c.organization_id = 1 then ${tenant}::integer else ${rest}::integer end) m`
  // Further organizations for the search by meaning.
  for (const [place, size] of sizes.entries()) {
    const n = organizations + 1 + place
    await sql`insert into auth.users (id, email)
      values (md5('user' || ${n}::text)::uuid, 'person' || ${n}::text || '@example.com')`
    await sql`insert into auth.sessions (id, user_id)
      values (md5('session' || ${n}::text)::uuid, md5('user' || ${n}::text)::uuid)`
    await sql`insert into public.organizations (id, name, slug) overriding system value
      values (${n}, 'Organization', 'organization-' || ${n}::text)`
    await sql`insert into client_mgmt.client_users (organization_id, user_id, role)
      values (${n}, md5('user' || ${n}::text)::uuid, 'owner')`
    await sql`insert into public.user_sessions (organization_id, id, user_id)
      values (${n}, md5('session' || ${n}::text)::uuid, md5('user' || ${n}::text)::uuid)`
    await sql`insert into public.chat_sessions (organization_id, id, user_id)
      values (${n}, md5('chat' || ${n}::text)::uuid, md5('user' || ${n}::text)::uuid)`
    await sql`insert into public.chat_messages (organization_id, session_id, user_id, role, content)
      select ${n}, md5('chat' || ${n}::text)::uuid, md5('user' || ${n}::text)::uuid, 'user', 'text ' || m
      from generate_series(1, ${size}::integer) m`
  }
  await sql`analyze`
}

async function actAs(sql: ReservedSql, organization: number): Promise<void> {
  const claims = `json_build_object('role', 'authenticated', 'organization_id', ${organization},
    'sub', md5('user${organization}')::uuid, 'session_id', md5('session${organization}')::uuid)::text`
  await sql.unsafe(
    `select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${claims}, true)`,
  )
}

/** Milliseconds of one statement of a member of organization 1, or of the owner of the tables. */
async function time(sql: ReservedSql, statement: string, asMember: boolean): Promise<number> {
  await sql`begin`
  if (asMember) await actAs(sql, 1)
  const milliseconds = await timeOf(async () => {
    const rows = await sql.unsafe(statement)
    if (rows.length !== 20) throw new Error(`${statement} finds ${rows.length} rows`)
  })
  await sql`rollback`
  return milliseconds
}

/** The same words, order and snippets as search(), written out by one who sees every row. */
const asOwner = `
  select m.id, ts_headline('simple', m.content, websearch_to_tsquery('simple', 'needle')) from (
    select w.message_id from private.search_words w
    where w.organization_id = 1 and w.words @@ '''1:needle'''::tsquery
    order by ts_rank(w.words, '''1:needle'''::tsquery, 1) desc, w.said_at desc limit 20
  ) f join public.chat_messages m on m.organization_id = 1 and m.id = f.message_id`
const throughPolicy = `
  select id from public.chat_messages
  where to_tsvector('simple', content) @@ websearch_to_tsquery('simple', 'needle')
  order by created_at desc limit 20`

/** Searches of many organizations; gives the rows that name another organization than the one that asks. */
async function foreignRows(sql: ReservedSql): Promise<number> {
  let foreign = 0
  for (let n = 0; n < searches; n++) {
    const organization = 1 + (n % organizations)
    await sql`begin`
    await actAs(sql, organization)
    const words =
      n % 2 === 0 ? `word${n % 1024}` : `needle or organization${1 + ((n * 7) % organizations)}`
    const rows = await sql<{ snippet: string; session_id: string }[]>`
      select s.snippet, s.session_id from public.search(${words}) s`
    const [own] = await sql<{ id: string }[]>`select md5(${`chat${organization}`})::uuid as id`
    foreign += rows.filter(({ session_id }) => session_id !== own?.id).length
    await sql`rollback`
  }
  return foreign
}

const database = await startMigrated()
const sql = connect(database.ownerUrl, 2)
try {
  const seconds = (await timeOf(() => plant(sql))) / 1000
  console.log(
    `${messages} messages, ${tenant} of one organization, made in ${seconds.toFixed(0)} s`,
  )
  const one = await sql.reserve()
  const found = await measure(rounds, {
    search: () => time(one, `select id from public.search('needle')`, true),
    owner: () => time(one, asOwner, false),
    policy: () => time(one, throughPolicy, true),
  })
  printComparisons([
    {
      name: 'search() against the owner who names the tenant (ms)',
      value: found.search,
      baseline: found.owner,
    },
    {
      name: 'through the policy against search() (ms)',
      value: found.policy,
      baseline: found.search,
    },
  ])
  let foreign = 0
  const each = (await timeOf(async () => (foreign = await foreignRows(one)))) / searches
  console.log(`${foreign} foreign rows in ${searches} searches, ${each.toFixed(2)} ms each`)
  const lines = Array.from({ length: 10_000 }, (_, n) =>
    JSON.stringify({ speaker: `S${n % 9}`, content: `Turn ${n} says ${'word '.repeat(20)}` }),
  )
  await one`begin`
  await actAs(one, 1)
  const imported = await timeOf(
    () =>
      one`select * from public.import_transcripts(1, ${one.json([
        { name: 'Call', format: 'jsonl', text: lines.join('\n') },
      ] as never)})`,
  )
  await one`rollback`
  console.log(`10,000 turns imported in ${imported.toFixed(0)} ms`)
  for (const [kind, spread] of [
    ['topics of 50 texts', 1],
    ['no topics', 0],
  ] as const) {
    for (const place of sizes.keys()) {
      const { texts, recall, search, exact } = await measureRecall(
        sql,
        one,
        (organization) => actAs(one, organization),
        organizations + 1 + place,
        spread,
      )
      console.log(
        `${kind}, ${texts} texts: recall@10 ${recall.toFixed(3)}, search ${search.toFixed(0)} ms, ` +
          `exact ${exact.toFixed(0)} ms`,
      )
    }
  }
  one.release()
} finally {
  await sql.end()
  await database.close()
}
