import { connect, type Database, migrate } from '../database.ts'
import { compareDumps, dumpObjects, dumpRows } from './catalog-dump.ts'
import { content, startScratchDatabase } from './scratch-database.ts'
import { runSupabase } from './supabase-cli.ts'

/**
 * Applies the migrations and the seed a second time with the local stack's own code, and then with
 * the Supabase command line, and compares every object and row. Then makes another database with
 * the command line alone, the way a hosted one is made, and compares its objects.
 *
 * @param database one on which they have been applied once
 * @returns what differs or fails; empty when nothing does
 */
export async function findMigrationProblems(database: Database): Promise<string[]> {
  const before = await dump(database)
  await migrate(database, content)
  const second = await dump(database)
  const problems = differences('Applying the migrations a second time', before, second)
  problems.push(...(await push(database.ownerUrl, ['migration', 'up'])))
  const third = await dump(database)
  problems.push(...differences('"supabase migration up" after a start', before, third))
  const hosted = await startScratchDatabase()
  try {
    problems.push(...(await push(hosted.ownerUrl, ['db', 'push', '--include-seed'])))
    const { objects } = await dump(hosted)
    const ours = { objects: before.objects, rows: [] }
    problems.push(...differences('"supabase db push"', ours, { objects, rows: [] }))
  } finally {
    await hosted.close()
  }
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
