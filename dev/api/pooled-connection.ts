import { PostgresConnection } from '@supabase/lite/postgres'
import { Kysely, PostgresDialect } from 'kysely'
import type { Login } from '../postgres/database.ts'
import { openPool, type PgPool } from '../postgres/pg-pool.ts'

/**
 * lite's connection to PostgreSQL on another driver. Its own (postgres 3.4.9) ends the process when
 * a back-end ends at certain moments: docs/decisions/0026-local-database-driver.md.
 */
export class PooledConnection extends PostgresConnection {
  readonly #pool: PgPool

  constructor(login: Login, max: number) {
    // The driver that this makes, `this.driver`, opens no connection before it is given a statement.
    super({ url: login.url })
    this.#pool = openPool(login, max)
    this.kysely = new Kysely({ dialect: new PostgresDialect({ pool: this.#pool as never }) })
  }

  override close(): Promise<void> {
    return this.#pool.end()
  }
}
