import type { TransactionSql } from 'postgres'

export interface Told {
  topic: string
  event: string
  payload: Record<string, unknown>
}

/**
 * What a transaction that is rolled back told since the last call. The platform's postgres may update
 * messages and not delete them; those that other tests left are older.
 */
export const told = (tx: TransactionSql) => tx<Told[]>`
  with read as (
    update realtime.messages set private = false
    where private and inserted_at >= now()::timestamp
    returning topic, event, payload
  )
  select topic, event, payload - 'id' as payload from read order by topic`
