import { readFileSync } from 'node:fs'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import { connectOwner, rolledBack } from '../support/stack/database.ts'

const sql = connectOwner()
const file = readFileSync('supabase/migrations/20261120000000_preconditions.sql', 'utf8')

test('every table, view and type that the migrations make in public is looked for before', async () => {
  const refused = await rolledBack(sql, (tx) =>
    tx
      .savepoint((inner) => inner.unsafe(file).simple())
      .then(
        () => undefined,
        (error: unknown) => error,
      ),
  )
  expect(refused).toBeInstanceOf(postgres.PostgresError)
  const { code, message, detail = '' } = refused as postgres.PostgresError
  expect([code, message]).toEqual(['42710', 'migrations_need_free_names'])
  const types = await sql<{ name: string }[]>`
    select 'public.' || t.typname as name from pg_type t
    where t.typnamespace = 'public'::regnamespace and t.typelem = 0
      and not exists (select from pg_depend d where d.objid = t.oid and d.deptype = 'e')`
  const schemas = ['private', 'client_mgmt', 'conversation'].map((name) => `schema ${name}`)
  const names = /names: (.*)\.$/.exec(detail)?.[1]?.split(', ') ?? []
  expect(names.sort()).toEqual(
    [...types.map(({ name }) => name), ...schemas, 'public.custom_access_token_hook()'].sort(),
  )
})
