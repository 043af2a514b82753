import type { TransactionSql } from 'postgres'

export interface Told {
  topic: string
  event: string
  payload: Record<string, unknown>
}

/**
 * What was told since the last call, in a transaction that is rolled back. The platform's postgres may
 * update messages and not delete them.
 */
export const told = (tx: TransactionSql) => tx<Told[]>`
  with read as (
    update realtime.messages set private = false where private returning topic, event, payload
  )
  select topic, event, payload - 'id' as payload from read order by topic`
