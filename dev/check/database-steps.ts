import { connect, type Database, migrate } from '../postgres/database.ts'
import { findAdvice } from './advisors.ts'
import { findCatalogProblems } from './catalog-rules.ts'
import { findTypesProblems } from './generated-types.ts'
import { findMigrationProblems } from './migrations-apply.ts'
import { lintFunctions } from './plpgsql-lint.ts'
import { outcomeOf, type Step } from './runner.ts'
import { content, copyScratchDatabase, startScratchDatabase } from './scratch-database.ts'

const apiRoles = 'anon, authenticated, service_role'

interface Databases {
  /** With the migrations and the seed applied once. */
  migrated: Database
  /** As a hosted one before the first migration. */
  empty: Database
}

/** The steps that need a database; they share the two of one server, which `close` ends. */
export function databaseSteps(): { steps: Step[]; close: () => Promise<void> } {
  let started: Promise<Databases> | undefined
  const on = (find: (databases: Databases) => Promise<string[]>) => async () =>
    outcomeOf(await find(await (started ??= startBoth())))
  // Side by side: only `migrations` writes, and to `migrated` what is there already.
  const steps: Step[] = [
    {
      name: 'migrations',
      run: on(({ migrated, empty }) => findMigrationProblems(migrated, empty)),
    },
    { name: 'plpgsql', run: lintFunctions },
    { name: 'generated', run: on(({ migrated }) => findTypesProblems(migrated.ownerUrl)) },
    { name: 'advisors', run: on(({ migrated }) => findAdvice(migrated.ownerUrl)) },
    { name: 'catalog', run: on(({ migrated }) => findCatalogOffences(migrated)) },
  ]
  const close = async (): Promise<void> => {
    const databases = await started?.catch(() => {
      // The step that needed it has reported why it did not start; nothing is left running.
      return null
    })
    await databases?.migrated.close()
  }
  return { steps, close }
}

async function startBoth(): Promise<Databases> {
  const migrated = await startScratchDatabase()
  try {
    const empty = await copyScratchDatabase(migrated, 'hosted')
    await migrateAmongOpenDefaults(migrated)
    return { migrated, empty }
  } catch (error) {
    await migrated.close()
    throw error
  }
}

/**
 * Applies the migrations where the owner's defaults give every new object to the API roles, as a
 * project that is not empty may have it. An object that does not revoke them is an offence of
 * `catalog`, and differs in `migrations` from what the same files make elsewhere.
 */
async function migrateAmongOpenDefaults(database: Database): Promise<void> {
  const sql = connect(database.ownerUrl)
  const each = (change: string) =>
    sql.unsafe(
      ['tables', 'functions']
        .map((kind) => `alter default privileges ${change.replace('objects', kind)} ${apiRoles}`)
        .join(';'),
    )
  try {
    await each('grant all on objects to')
    await migrate(database, content)
    await each('revoke all on objects from')
  } finally {
    await sql.end()
  }
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
