import { PostgresConnection } from '@supabase/lite/postgres'
import { Kysely, PostgresDialect } from 'kysely'
import type { Login } from '../postgres/database.ts'
import { asTheyAre, openPool, type PgPool, type Rows } from '../postgres/pg-pool.ts'

/**
 * lite's connection to PostgreSQL on another driver. Its own (postgres 3.4.9) ends the process when
 * a back-end ends at certain moments: docs/decisions/0026-local-database-driver.md.
 */
export class PooledConnection extends PostgresConnection {
  readonly #pool: PgPool

  /** @param rows how the statements ask for their rows */
  constructor(login: Login, max: number, rows: Rows = asTheyAre) {
    // The driver that this makes, `this.driver`, opens no connection before it is given a statement.
    super({ url: login.url })
    this.#pool = openPool(login, max, rows)
    this.kysely = new Kysely({ dialect: new PostgresDialect({ pool: this.#pool as never }) })
  }

  override close(): Promise<void> {
    return this.#pool.end()
  }
}
