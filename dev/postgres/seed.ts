import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import type { Sql } from 'postgres'
import { StartError } from '../process/start-error.ts'
import { describeFailure } from './migrations.ts'
import { splitStatements } from './sql-statements.ts'

/**
 * Applies the seed file in one transaction when it is new or has changed, and records its hash
 * where the Supabase CLI does. Seeds use `on conflict`, so applying again only adds or corrects.
 *
 * @returns whether it was applied
 */
export async function applySeed(sql: Sql, path: string): Promise<boolean> {
  if (!existsSync(path)) return false
  const script = readFileSync(path, 'utf8')
  const hash = createHash('sha256').update(script).digest('hex')
  const name = relative('', path)
  const [row] = await sql<{ hash: string }[]>`
    select hash from supabase_migrations.seed_files where path = ${name}`
  if (row?.hash === hash) return false
  await sql.begin(async (tx) => {
    for (const statement of splitStatements(script)) {
      try {
        await tx.unsafe(statement.text).simple()
      } catch (error) {
        throw new StartError(describeFailure({ path, script }, statement, error))
      }
    }
    await tx`
      insert into supabase_migrations.seed_files (path, hash) values (${name}, ${hash})
      on conflict (path) do update set hash = excluded.hash`
  })
  return true
}
