import type { Sql, TransactionSql } from 'postgres'

import { countRows, type Outcome, prepareAttempts, runAttempts } from './attempt.ts'
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
        const untouched = await countRows(fullTx)
        await proveLooks(fullTx, untouched)
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

/** The checks of writes see what an attempt sees, so that it has to see every kind of change. */
async function proveLooks(tx: TransactionSql, untouched: Session['untouched']): Promise<void> {
  const salt = 'private.founder_salt'
  const before = (table: string) => untouched[table]?.[0] ?? 0
  const changes: [string, string, number][] = [
    [
      'private.founders',
      `insert into private.founders values ('one', 1)`,
      before('private.founders') + 1,
    ],
    [salt, `update ${salt} set salt = salt`, before(salt)],
    [salt, `delete from ${salt}`, 0],
    [salt, `truncate ${salt}`, 0],
  ]
  const seen = await runAttempts(
    tx,
    changes.map(([, sql]) => ({ actor: 'owner', sql, reads: false })),
  )
  changes.forEach(([table, sql, rows], index) => {
    const found = seen[index]?.left?.[table]?.[0]
    if (found !== rows) throw new Error(`after ${sql} an attempt sees ${found} of ${rows} rows`)
  })
}
