import { relative } from 'node:path'
import type { ReservedSql, Sql } from 'postgres'
import { firstLine, StartError } from '../process/start-error.ts'
import { type MigrationFile, readMigrations } from './migration-files.ts'
import { afterComments, lineAt, type SqlStatement } from './sql-statements.ts'

interface Applied {
  version: string
  name: string | null
  statements: string[] | null
}

/**
 * The difference between the files and the applied migrations that new files cannot correct: a file
 * was edited or removed, or a new one sorts before an applied one. Undefined otherwise.
 */
export async function findChange(sql: Sql, directory: string): Promise<string | undefined> {
  const [row] = await sql<{ history: string | null }[]>`
    select to_regclass('supabase_migrations.schema_migrations') as history`
  if (row?.history == null) return undefined
  const files = readMigrations(directory)
  const applied = await readApplied(sql)
  const byVersion = new Map(files.map((file) => [file.version, file]))
  for (const { version, name, statements } of applied) {
    const file = byVersion.get(version)
    if (file === undefined) return `${version}_${name ?? ''}.sql was applied and is now missing`
    if (statements !== null && !sameStatements(file, statements)) {
      return `${relative('', file.path)} was changed after it was applied`
    }
  }
  const early = findPending(files, applied)[0]
  if (early !== undefined && early.version < (applied.at(-1)?.version ?? '')) {
    return `${relative('', early.path)} sorts before one that was already applied`
  }
  return undefined
}

/**
 * Applies what `directory` holds and the database has not seen, each file in one transaction, and
 * records it as the Supabase CLI does (supabase/cli, pkg/migration): version, name, statements.
 *
 * @returns how many files were applied
 * @throws StartError when a statement fails: file, line, statement and the error of PostgreSQL
 */
export async function applyMigrations(sql: Sql, directory: string): Promise<number> {
  const files = readMigrations(directory)
  const connection = await sql.reserve()
  try {
    // Two starts on one database take turns.
    await connection`select pg_advisory_lock(hashtext('colloquy migrations'))`
    await ensureHistory(connection)
    const pending = findPending(files, await readApplied(connection))
    for (const file of pending) await applyMigration(connection, file)
    await connection`select pg_advisory_unlock(hashtext('colloquy migrations'))`
    return pending.length
  } finally {
    connection.release()
  }
}

function readApplied(sql: Sql | ReservedSql): Promise<Applied[]> {
  return sql<Applied[]>`
    select version, name, statements from supabase_migrations.schema_migrations order by version`
}

function findPending(files: MigrationFile[], applied: Applied[]): MigrationFile[] {
  const versions = new Set(applied.map(({ version }) => version))
  return files.filter(({ version }) => !versions.has(version))
}

async function ensureHistory(sql: ReservedSql): Promise<void> {
  await sql`create schema if not exists supabase_migrations`
  await sql`
    create table if not exists supabase_migrations.schema_migrations (
      version text not null primary key,
      statements text[],
      name text
    )`
  await sql`
    create table if not exists supabase_migrations.seed_files (
      path text not null primary key,
      hash text not null
    )`
}

/** White space and semicolons are split differently by different versions of the CLI. */
function sameStatements(file: MigrationFile, recorded: string[]): boolean {
  const plain = (texts: string[]) => texts.join(' ').replace(/[\s;]+/g, '')
  return plain(file.statements.map(({ text }) => text)) === plain(recorded)
}

async function applyMigration(sql: ReservedSql, file: MigrationFile): Promise<void> {
  await sql`reset all`
  await sql`begin`
  try {
    for (const statement of file.statements) await runStatement(sql, file, statement)
    await sql`
      insert into supabase_migrations.schema_migrations (version, name, statements)
      values (${file.version}, ${file.name}, ${file.statements.map(({ text }) => text)})`
    await sql`commit`
  } catch (error) {
    await sql`rollback`
    throw error
  }
}

async function runStatement(
  sql: ReservedSql,
  file: { path: string; script: string },
  statement: SqlStatement,
): Promise<void> {
  try {
    await sql.unsafe(statement.text).simple()
  } catch (error) {
    throw new StartError(describeFailure(file, statement, error))
  }
}

/** One line: file, line, PostgreSQL's message, and the statement's beginning. */
export function describeFailure(
  file: { path: string; script: string },
  statement: SqlStatement,
  error: unknown,
): string {
  const detail = (key: string): string | undefined => {
    const value: unknown = error instanceof Error ? Reflect.get(error, key) : undefined
    return typeof value === 'string' ? value : undefined
  }
  const position = detail('position')
  const begins = afterComments(statement.text)
  const within = position === undefined ? begins : Number(position) - 1
  const line = lineAt(file.script, statement.offset + within)
  const code = detail('code')
  const hint = detail('hint')
  // PostgreSQL's own detail may quote rows; the detail of our functions says what to correct.
  const ours =
    code !== undefined && /^migrations_need_/.test(firstLine(error)) ? detail('detail') : undefined
  const text = statement.text.slice(begins).replace(/\s+/g, ' ')
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text
  return [
    `${relative('', file.path)}:${line}: ${firstLine(error)}`,
    code === undefined ? '' : ` (SQLSTATE ${code})`,
    ours === undefined ? '' : ` (${ours})`,
    hint === undefined ? '' : ` (hint: ${hint.replace(/\s+/g, ' ')})`,
    ` in: ${shown}`,
    '. Nothing of this file was applied; correct it and start again.',
  ].join('')
}
