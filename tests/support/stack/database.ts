import postgres, { type Sql, type TransactionSql } from 'postgres'
import { afterAll } from 'vitest'

import { useDatabase } from './stack.ts'

export type Role = 'anon' | 'authenticated' | 'service_role' | 'supabase_auth_admin'

/** Claims of an access token; `role` is added. */
export type Claims = Record<string, unknown>

/** A connection pool as the owner of all tables, which row-level security does not bind. */
export function connectOwner(): Sql {
  const sql = postgres(useDatabase().databaseUrl, { max: 8, onnotice: () => undefined })
  afterAll(() => sql.end({ timeout: 5 }))
  return sql
}

/** As the superuser of the server, for what the platform's postgres may not do. */
export function connectSuperuser(): Sql {
  const { superuserUrl } = useDatabase()
  if (superuserUrl === undefined) throw new Error('the server is not one of the tests')
  const sql = postgres(superuserUrl, { max: 1, onnotice: () => undefined })
  afterAll(() => sql.end({ timeout: 5 }))
  return sql
}

class RollBack extends Error {}

/**
 * Runs `fn` in a transaction that is rolled back, whatever happens.
 *
 * @returns what `fn` returned
 */
export async function rolledBack<Result>(
  sql: Sql,
  fn: (tx: TransactionSql) => Promise<Result>,
): Promise<Result> {
  let result: { value: Result } | undefined
  try {
    await sql.begin(async (tx) => {
      result = { value: await fn(tx) }
      throw new RollBack()
    })
  } catch (error) {
    if (!(error instanceof RollBack)) throw error
  }
  if (result === undefined) throw new Error('the transaction ended before its function')
  return result.value
}

/** Makes the rest of the transaction act as a role with the claims, as PostgREST does. */
export async function actAs(tx: TransactionSql, role: Role, claims: Claims = {}): Promise<void> {
  const json = JSON.stringify({ ...claims, role })
  await tx`
    select set_config('role', ${role}, true), set_config('request.jwt.claims', ${json}, true)`
}

/** Back to the owner, to look at what the role has done. */
export async function actAsOwner(tx: TransactionSql): Promise<void> {
  await tx`select set_config('role', 'none', true), set_config('request.jwt.claims', '', true)`
}

/**
 * Runs `fn` as a role with the claims, in a transaction that is rolled back.
 *
 * @param arrange runs first, as the owner, in the same transaction
 */
export function asRole<Result>(
  sql: Sql,
  role: Role,
  claims: Claims,
  fn: (tx: TransactionSql) => Promise<Result>,
  arrange?: (tx: TransactionSql) => Promise<unknown>,
): Promise<Result> {
  return rolledBack(sql, async (tx) => {
    await arrange?.(tx)
    await actAs(tx, role, claims)
    return fn(tx)
  })
}

/** The SQLSTATE that a statement fails with; undefined when it succeeds. */
export async function sqlstateOf(statement: Promise<unknown>): Promise<string | undefined> {
  try {
    await statement
    return undefined
  } catch (error) {
    if (error instanceof postgres.PostgresError) return error.code
    throw error
  }
}

/**
 * Like sqlstateOf, for a statement inside a transaction that must go on: it runs in a savepoint.
 */
export function refusalIn(
  tx: TransactionSql,
  fn: (tx: TransactionSql) => Promise<unknown>,
): Promise<string | undefined> {
  return sqlstateOf(tx.savepoint((inner) => fn(inner)))
}
