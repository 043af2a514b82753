import type { ReservedSql, Sql } from 'postgres'
import { startMigrated } from '../dev/check/database-steps.ts'
import { connect } from '../dev/postgres/database.ts'
import { measure, printComparisons, timeOf } from './support.ts'

// What the check of the caller costs: the last 50 messages of a session, read by a member under
// row-level security, against the same rows read by the owner of the table, who says the
// organization himself and whom no policy binds. BENCH_MESSAGES=1000000 for the full size.
const messages = Number(process.env.BENCH_MESSAGES ?? 100_000)
const perSession = 100
const sessionsPerOrganization = 10
const organizations = Math.ceil(messages / perSession / sessionsPerOrganization)
const rounds = 25
const calls = 200

/** Organizations with one member each, who has ten sessions of a hundred messages. */
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
    select n, md5('chat' || n || '/' || s)::uuid, md5('user' || n)::uuid
    from generate_series(1, ${organizations}::integer) n, generate_series(1, ${sessionsPerOrganization}::integer) s`
  await sql`insert into public.chat_messages (organization_id, session_id, user_id, role, content, created_at)
    select c.organization_id, c.id, c.user_id, 'user', repeat('word ', 20), now() - m * interval '1 minute'
    from public.chat_sessions c, generate_series(1, ${perSession}::integer) m`
  await sql`analyze`
}

const lastMessages = `
  select id, role, content, created_at from public.chat_messages
  where session_id = md5($1)::uuid order by created_at desc limit 50`
const lastMessagesOf = lastMessages.replace('where', 'where organization_id = $2::bigint and')

/** Milliseconds per call on one connection, each call for another organization's member. */
async function perCall(
  sql: ReservedSql,
  call: (sql: ReservedSql, organization: number) => Promise<unknown>,
): Promise<number> {
  // One transaction, as one request has; who asks is set before the clock runs.
  const organization = 1 + Math.floor(organizations / 2)
  await sql`begin`
  await call(sql, organization)
  const time = await timeOf(async () => {
    for (let index = 0; index < calls; index++) await call(sql, organization)
  })
  await sql`rollback`
  return time / calls
}

async function actAs(sql: ReservedSql, organization: number): Promise<void> {
  const claims = `json_build_object('role', 'authenticated', 'organization_id', ${organization},
    'sub', md5('user${organization}')::uuid, 'session_id', md5('session${organization}')::uuid)::text`
  await sql.unsafe(
    `select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${claims}, true)`,
  )
}

const database = await startMigrated()
const sql = connect(database.ownerUrl, 2)
try {
  const seconds = (await timeOf(() => plant(sql))) / 1000
  console.log(
    `${organizations * sessionsPerOrganization * perSession} messages of ${organizations} organizations, made in ${seconds.toFixed(0)} s`,
  )
  const [member, owner] = [await sql.reserve(), await sql.reserve()]
  let acting = false
  const asMember = async (connection: ReservedSql, organization: number): Promise<unknown> => {
    if (!acting) {
      await actAs(connection, organization)
      acting = true
    }
    const rows = await connection.unsafe(lastMessages, [`chat${organization}/5`], { prepare: true })
    if (rows.length !== 50) throw new Error(`the member sees ${rows.length} messages`)
    return rows
  }
  const asOwner = (connection: ReservedSql, organization: number): Promise<unknown> =>
    connection.unsafe(lastMessagesOf, [`chat${organization}/5`, organization], { prepare: true })
  const found = await measure(rounds, {
    member: () => {
      acting = false
      return perCall(member, asMember)
    },
    owner: () => perCall(owner, asOwner),
  })
  member.release()
  owner.release()
  printComparisons([
    {
      name: 'last 50 messages of a session (ms), with and without row-level security',
      value: found.member,
      baseline: found.owner,
    },
  ])
} finally {
  await sql.end()
  await database.close()
}
