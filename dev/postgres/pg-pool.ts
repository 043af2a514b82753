import pg from 'pg'

import type { Login } from './database.ts'
import { DatabaseUnavailable, note } from './database-trouble.ts'
import { type QueryResult, runQuery, UnusableValue } from './pg-query.ts'
import { type ArrayTypes, readerOf } from './pg-values.ts'

/** One connection of the pool, until it is released. */
export interface PgClient {
  query(text: string, values: readonly unknown[]): Promise<QueryResult>
  release(): void
}

export interface PgPool {
  connect(): Promise<PgClient>
  query(text: string, values: readonly unknown[]): Promise<QueryResult>
  end(): Promise<void>
}

/** How statements ask for their rows. */
export interface Rows {
  /** The statement that is sent instead. */
  readonly ask: (text: string) => string
  /** A row of its answer, as the statement would have given it. */
  readonly read: (row: Record<string, unknown>) => Record<string, unknown>
}

export const asTheyAre: Rows = { ask: (text) => text, read: (row) => row }

/** As PostgREST waits (db-pool-acquisition-timeout). */
const CONNECT_TIMEOUT_MS = 10_000
const END_TIMEOUT_MS = 2_000

/**
 * A pool that outlives its connections. The end of a connection, at any moment, only fails the
 * statement that runs on it; the next statement opens another connection. Errors are PostgreSQL's
 * own, or {@link DatabaseUnavailable} without an answer.
 * @param max connections at most
 */
export function openPool({ url, options }: Login, max: number, rows: Rows = asTheyAre): PgPool {
  let arrays: ArrayTypes = new Map()
  let hasArrays = false
  const pool = new pg.Pool({
    connectionString: withSettings(url, options.connection ?? {}),
    max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    types: { getTypeParser: (type: number) => readerOf(type, arrays) },
  })
  // The next statement gets an error that happened between two statements. Without a listener
  // Node.js would end the process. `error` of the pool is for idle connections.
  pool.on('error', ignore)
  pool.on('connect', (client) => client.on('error', ignore))

  const connect = async (): Promise<PgClient> => {
    const client = await pool.connect().catch((error: unknown) => {
      throw note(new DatabaseUnavailable(isTimeout(error) ? 'busy' : 'unreachable', error))
    })
    const run = (text: string, values: readonly unknown[]) =>
      runQuery(client, text, values, arrays).catch((error: unknown) => {
        throw note(isLost(error) ? new DatabaseUnavailable('lost', error) : error)
      })
    const query = async (text: string, values: readonly unknown[]) => {
      const asked = rows.ask(text)
      const result = await run(asked, values)
      return asked === text ? result : { ...result, rows: result.rows.map(rows.read) }
    }
    if (!hasArrays) {
      try {
        arrays = await readArrayTypes(run)
        hasArrays = true
      } catch (error) {
        client.release(true)
        throw error
      }
    }
    return { query, release: () => client.release() }
  }

  return {
    connect,
    async query(text, values) {
      const client = await connect()
      try {
        return await client.query(text, values)
      } finally {
        client.release()
      }
    },
    async end() {
      // A statement under way is not waited for: its database is about to end as well.
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, END_TIMEOUT_MS)))
      await Promise.race([pool.end(), late])
      clearTimeout(timer)
    },
  }
}

function ignore(): void {
  // The statement that runs next on the pool is told.
}

async function readArrayTypes(query: PgClient['query']): Promise<ArrayTypes> {
  const { rows } = await query(
    "select oid, typelem from pg_catalog.pg_type where typcategory = 'A' and typelem <> 0",
    [],
  )
  return new Map(rows.map((row) => [Number(row['oid']), Number(row['typelem'])]))
}

/**
 * Whether the error ended the connection. A FATAL one does, whatever its SQLSTATE; the severity may
 * be in another language, so the SQLSTATEs of that kind count too. What is no answer of PostgreSQL
 * comes from the socket.
 */
function isLost(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return !(error instanceof UnusableValue)
  const { severity = '', code = '' } = error
  return /^(FATAL|PANIC)$/.test(severity) || /^(08...|57P0[1-5])$/.test(code)
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('timeout exceeded')
}

/** The address with settings of the session, which PostgreSQL makes before the first statement. */
export function withSettings(url: string, settings: Readonly<Record<string, unknown>>): string {
  const address = new URL(url)
  const { searchParams: parameters } = address
  const given = parameters.get('options')
  const all = Object.entries({ TimeZone: 'UTC', ...settings }).map(
    ([name, value]) => `-c ${name}=${String(value).replaceAll(/[\\ ]/g, '\\$&')}`,
  )
  parameters.set('options', [...(given === null ? [] : [given]), ...all].join(' '))
  // `sslmode` as in libpq and in the driver that migrates: `require` does not verify.
  if (parameters.has('sslmode')) parameters.set('uselibpqcompat', 'true')
  return address.href
}
