import { connect, type Database, migrate } from '../database.ts'
import { findAdvice } from './advisors.ts'
import { findCatalogProblems } from './catalog-rules.ts'
import { findTypesProblems } from './generated-types.ts'
import { findMigrationProblems } from './migrations-apply.ts'
import { lintFunctions } from './plpgsql-lint.ts'
import { outcomeOf, type Step } from './runner.ts'
import { content, startScratchDatabase } from './scratch-database.ts'

/** The steps that need a database; they share one, which `close` ends. */
export function databaseSteps(): { steps: Step[]; close: () => Promise<void> } {
  let started: Promise<Database> | undefined
  const migrated = (): Promise<Database> => (started ??= startMigrated())
  const on = (find: (database: Database) => Promise<string[]>) => async () =>
    outcomeOf(await find(await migrated()))
  const steps: Step[] = [
    { name: 'migrations', run: on(findMigrationProblems) },
    { name: 'generated', run: on(({ ownerUrl }) => findTypesProblems(ownerUrl)) },
    { name: 'advisors', run: on(({ ownerUrl }) => findAdvice(ownerUrl)) },
    { name: 'catalog', run: on(findCatalogOffences) },
    { name: 'plpgsql', run: lintFunctions },
  ]
  const close = async (): Promise<void> => {
    const database = await started?.catch(() => {
      // The step that needed it has reported why it did not start; nothing is left running.
      return null
    })
    await database?.close()
  }
  return { steps, close }
}

async function findCatalogOffences({ ownerUrl }: Database): Promise<string[]> {
  const sql = connect(ownerUrl)
  try {
    return await findCatalogProblems(sql)
  } finally {
    await sql.end()
  }
}

/** A database with the migrations and the seed applied once. */
export async function startMigrated(): Promise<Database> {
  const database = await startScratchDatabase()
  try {
    await migrate(database, content)
    return database
  } catch (error) {
    await database.close()
    throw error
  }
}
