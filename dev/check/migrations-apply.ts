import { connect, type Database, migrate } from '../postgres/database.ts'
import { compareDumps, dumpObjects, dumpRows } from './catalog-dump.ts'
import { content } from './scratch-database.ts'
import { runSupabase } from './supabase-cli.ts'

/**
 * Applies the migrations and the seed a second time with the local stack's own code, and then with
 * the Supabase command line, and compares every object and row. Then applies them to an empty
 * database with the command line alone, the way a hosted one is made, and compares its objects.
 *
 * @param database one on which they have been applied once
 * @param empty one on which none has been applied
 * @returns what differs or fails; empty when nothing does
 */
export async function findMigrationProblems(
  database: Database,
  empty: Database,
): Promise<string[]> {
  const before = await dump(database)
  await migrate(database, content)
  const second = await dump(database)
  const problems = differences('Applying the migrations a second time', before, second)
  problems.push(...(await push(database.ownerUrl, ['migration', 'up'])))
  const third = await dump(database)
  problems.push(...differences('"supabase migration up" after a start', before, third))
  problems.push(...(await push(empty.ownerUrl, ['db', 'push', '--include-seed'])))
  const { objects } = await dump(empty)
  const ours = { objects: before.objects, rows: [] }
  problems.push(...differences('"supabase db push"', ours, { objects, rows: [] }))
  return problems
}

interface Dump {
  objects: string[]
  rows: string[]
}

async function dump(database: Database): Promise<Dump> {
  const sql = connect(database.ownerUrl)
  try {
    return { objects: await dumpObjects(sql), rows: await dumpRows(sql) }
  } finally {
    await sql.end()
  }
}

function differences(action: string, before: Dump, after: Dump): string[] {
  const lines = [
    ...compareDumps(before.objects, after.objects),
    ...compareDumps(before.rows, after.rows),
  ]
  return lines.length === 0 ? [] : [`${action} changes the database:`, ...lines]
}

async function push(url: string, command: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await runSupabase(url, command)
  return code === 0 ? [] : [`supabase ${command.join(' ')} failed:`, stdout, stderr]
}
