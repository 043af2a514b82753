import postgres, { type TransactionSql } from 'postgres'
import { type Actor, as } from './tenants.ts'

/** How a statement of the actor is refused, as `message: detail`; `allowed` when it is not. */
export async function refusedDetail(
  tx: TransactionSql,
  actor: Actor,
  fn: (tx: TransactionSql) => Promise<unknown>,
): Promise<string> {
  try {
    await as(tx, actor, fn)
    return 'allowed'
  } catch (error) {
    if (error instanceof postgres.PostgresError) return `${error.message}: ${error.detail}`
    throw error
  }
}
