import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { StartError } from '../process/start-error.ts'
import { splitStatements, type SqlStatement } from './sql-statements.ts'

export interface MigrationFile {
  path: string
  /** The digits before the first underscore; migrations run in this order. */
  version: string
  /** What follows the version, without `.sql`. */
  name: string
  script: string
  statements: SqlStatement[]
}

/** Reads `<version>_<name>.sql` files in the order in which they apply. */
export function readMigrations(directory: string): MigrationFile[] {
  if (!existsSync(directory)) {
    throw new StartError(`There are no migrations: ${directory} does not exist.`)
  }
  const files = readdirSync(directory).filter((file) => file.endsWith('.sql'))
  const migrations = files.map((file) => readMigration(directory, file))
  migrations.sort((a, b) => (a.version < b.version ? -1 : 1))
  migrations.forEach((migration, index) => {
    if (migration.version === migrations[index + 1]?.version) {
      throw new StartError(
        `Two migrations have the version ${migration.version}: ${migration.path} and ${migrations[index + 1]?.path}. Rename one.`,
      )
    }
  })
  return migrations
}

function readMigration(directory: string, file: string): MigrationFile {
  const match = /^(\d+)_(.*)\.sql$/.exec(file)
  const path = join(directory, file)
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new StartError(`${path} is not named <version>_<name>.sql. Rename it.`)
  }
  const script = readFileSync(path, 'utf8')
  return { path, version: match[1], name: match[2], script, statements: splitStatements(script) }
}
