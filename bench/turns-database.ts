import { createHash } from 'node:crypto'
import path from 'node:path'
import postgres, { type Sql } from 'postgres'
import { content, startScratchDatabase } from '../dev/check/scratch-database.ts'
import { type Database, migrate } from '../dev/postgres/database.ts'
import { cpuOf } from './cpu.ts'
import { timeOf } from './support.ts'

/** A database with the migrations of a tree, and organizations with one member each, who begin and end turns. */
export class Turns {
  readonly #database: Database
  readonly #sql: Sql
  readonly #one: Sql

  private constructor(database: Database, url: string) {
    this.#database = database
    const options = { onnotice: () => undefined }
    this.#sql = postgres(url, { max: 16, ...options })
    this.#one = postgres(url, { max: 1, ...options })
  }

  /** @param tree a checkout whose migrations are measured instead of this one's */
  static async start(organizations: number, tree?: string): Promise<Turns> {
    const database = await startScratchDatabase()
    await migrate(
      database,
      tree === undefined
        ? content
        : {
            migrationsDirectory: path.join(tree, 'supabase/migrations'),
            seedFile: path.join(tree, 'supabase/seed.sql'),
          },
    )
    if (database.superuserUrl === undefined) throw new Error('no superuser to measure with')
    const turns = new Turns(database, database.superuserUrl)
    await turns.#plant(organizations)
    return turns
  }

  async #plant(organizations: number): Promise<void> {
    const sql = this.#one
    await sql`create extension if not exists pg_stat_statements schema extensions`
    const numbers = sql`generate_series(1, ${organizations}::integer) n`
    await sql`insert into auth.users (id, email)
      select md5('user' || n)::uuid, 'person' || n || '@example.com' from ${numbers}`
    await sql`insert into auth.sessions (id, user_id)
      select md5('session' || n)::uuid, md5('user' || n)::uuid from ${numbers}`
    await sql`insert into public.organizations (id, name, slug) overriding system value
      select n, 'Organization ' || n, 'organization-' || n from ${numbers}`
    await sql`insert into client_mgmt.client_users (organization_id, user_id, role)
      select n, md5('user' || n)::uuid, 'owner' from ${numbers}`
    await sql`insert into public.user_sessions (organization_id, id, user_id)
      select n, md5('session' || n)::uuid, md5('user' || n)::uuid from ${numbers}`
    // Other conversations, as many that the planner reads messages by an index.
    await sql`insert into public.chat_sessions (organization_id, id, user_id)
      select n, md5('chat' || n)::uuid, md5('user' || n)::uuid from ${numbers}`
    await sql`insert into public.chat_messages (organization_id, session_id, user_id, role, content)
      select n, md5('chat' || n)::uuid, md5('user' || n)::uuid, 'user', repeat('history ', 256)
      from ${numbers}, generate_series(1, 200)`
    await sql`update client_mgmt.organization_limits
      set max_concurrent_executions = 100000, max_concurrent_per_user = 100000,
        requests_per_minute = 10000000, requests_per_minute_per_user = 10000000,
        tokens_per_minute = 1000000000000, tokens_per_minute_per_user = 1000000000000`
  }

  /** A conversation of the first organization with so many messages of 2 KB; gives its id. */
  async converse(messages: number): Promise<string> {
    const [chat] = await this.#one<{ id: string }[]>`
      insert into public.chat_sessions (organization_id, user_id, agent_id)
      select 1, md5('user1')::uuid, id from public.agents where name = 'droid' returning id`
    const id = chat?.id ?? ''
    await this.#one`insert into public.chat_messages
        (organization_id, id, session_id, user_id, parent_id, role, content)
      select 1, md5(${id} || n)::uuid, ${id}, md5('user1')::uuid,
        case when n > 1 then md5(${id} || n - 1)::uuid end,
        case when n % 2 = 1 then 'user' else 'assistant' end, repeat('history ', 256)
      from generate_series(1, ${messages}::integer) n`
    await this
      .#one`update public.chat_sessions set current_message_id = md5(${id} || ${messages}::integer)::uuid
      where id = ${id}`
    return id
  }

  /** The id of the last message that converse() wrote. */
  lastOf(conversation: string, messages: number): string {
    return idOf(`${conversation}${messages}`)
  }

  async analyze(): Promise<void> {
    await this.#one`analyze`
  }

  /** Milliseconds of CPU that the server's process takes for each of some turns, one after the other. */
  async cpu(turns: number, request: object): Promise<number> {
    const [row] = await this.#one<{ pid: number }[]>`select pg_backend_pid() as pid`
    const pid = row?.pid ?? 0
    const before = cpuOf(pid)
    for (let n = 0; n < turns; n++) await this.turn(request)
    return (cpuOf(pid) - before) / turns
  }

  /** begin_execution() and finish_execution(), each in a transaction as one request has it. */
  async turn(request: object, organization = 1, sql = this.#one): Promise<void> {
    const claims = {
      role: 'authenticated',
      organization_id: organization,
      sub: idOf(`user${organization}`),
      session_id: idOf(`session${organization}`),
    }
    const asked = JSON.stringify({ agent: 'droid', model: 'gpt-4', ...request })
    let begun: { organization_id: number; execution_id: string } | undefined
    await sql.begin(async (tx) => {
      await tx`select set_config('role', 'authenticated', true),
        set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`
      const [row] = await tx<{ result: NonNullable<typeof begun> }[]>`
        select public.begin_execution(${asked}::text::jsonb) as result`
      begun = row?.result
    })
    const outcome = JSON.stringify(ending)
    await sql.begin(async (tx) => {
      await tx`select set_config('role', 'service_role', true)`
      await tx`select public.finish_execution(
        ${begun?.organization_id ?? 0}, ${begun?.execution_id ?? ''}, ${outcome}::text::jsonb)`
    })
  }

  /** Turns of `atOnce` connections, whose n-th is of organization `of(n)`: milliseconds of a turn, together. */
  async atOnce(atOnce: number, total: number, of: (n: number) => number): Promise<number> {
    let next = 0
    const worker = async (): Promise<void> => {
      for (let n = next++; n < total; n = next++) {
        await this.turn({ message: { content: 'How long does it take?' } }, of(n), this.#sql)
      }
    }
    return (await timeOf(() => Promise.all(Array.from({ length: atOnce }, worker)))) / total
  }

  /** Statements, those inside functions included, and bytes of WAL of one turn. */
  async writes(turns: number): Promise<{ statements: number; wal: number }> {
    const sql = this.#one
    const position = async () => {
      const [row] = await sql<{ at: number }[]>`
        select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 as at`
      return row?.at ?? 0
    }
    const request = { message: { content: 'How long does it take?' } }
    for (let n = 0; n < 10; n++) await this.turn(request)
    await sql`select extensions.pg_stat_statements_reset()`
    await sql`set pg_stat_statements.track = 'all'`
    const before = await position()
    for (let n = 0; n < turns; n++) await this.turn(request)
    const after = await position()
    await sql`set pg_stat_statements.track = 'top'`
    const [row] = await sql<{ calls: number }[]>`
      select sum(calls)::float8 as calls from extensions.pg_stat_statements
      where query !~* '(set_config|pg_current_wal|^begin|^commit|^set )'`
    return { statements: (row?.calls ?? 0) / turns, wal: (after - before) / turns }
  }

  async close(): Promise<void> {
    await Promise.all([this.#sql.end(), this.#one.end()])
    await this.#database.close()
  }
}

const ending = {
  status: 'success',
  finish_reason: 'stop',
  content: 'As long as this.',
  input_tokens: 10,
  output_tokens: 5,
  latency_ms: 100,
  events: '[{"type":"text-delta","delta":"As long as this."}]',
  events_seq: 0,
}

/** What the database makes of md5(text)::uuid. */
function idOf(text: string): string {
  const hex = createHash('md5').update(text).digest('hex')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
