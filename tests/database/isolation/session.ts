import type { Sql, TransactionSql } from 'postgres'

import { type Outcome, prepareAttempts, runAttempts } from './attempt.ts'
import { indexMarkers } from './checks/leaks.ts'
import type { World } from './world.ts'

/** Two connections inside transactions that are rolled back: with B, and without. */
export interface Session {
  world: World
  full: TransactionSql
  empty: TransactionSql
  untouched: NonNullable<Outcome['left']>
  markers: ReturnType<typeof indexMarkers>
}

class RollBack extends Error {}

/** Opens both transactions, and undoes them when `work` is done. */
export async function withSession<Result>(
  world: World,
  { full, empty }: { full: Sql; empty: Sql },
  work: (session: Session) => Promise<Result>,
): Promise<Result> {
  let result: { value: Result } | undefined
  const markers = indexMarkers(world)
  try {
    await full.begin(async (fullTx) => {
      await empty.begin(async (emptyTx) => {
        for (const tx of [fullTx, emptyTx]) {
          await prepareAttempts(tx, world.catalog, world.b.organizationId)
        }
        const [nothing] = await runAttempts(fullTx, [
          { actor: 'owner', sql: 'select 1', reads: false },
        ])
        const untouched = nothing?.left
        if (untouched == null) throw new Error('the first attempt failed')
        const session = { world, full: fullTx, empty: emptyTx, untouched, markers }
        result = { value: await work(session) }
        throw new RollBack()
      })
    })
  } catch (error) {
    if (!(error instanceof RollBack)) throw error
  }
  if (result === undefined) throw new Error('the session ended before its work')
  return result.value
}
