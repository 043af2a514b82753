import { readFileSync } from 'node:fs'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import { connectOwner, rolledBack } from '../support/stack/database.ts'

const sql = connectOwner()
const file = readFileSync('supabase/migrations/20261120000000_preconditions.sql', 'utf8')

test('every relation, type and function that the migrations make in public is looked for before', async () => {
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
  const made = await sql<{ name: string }[]>`
    select 'public.' || relname as name from pg_class where relnamespace = 'public'::regnamespace
    union
    select 'public.' || typname from pg_type t
    where typnamespace = 'public'::regnamespace and typelem = 0
      and not exists (select from pg_depend d where d.objid = t.oid and d.deptype = 'e')
    union
    select 'public.' || proname || '()' from pg_proc p
    where pronamespace = 'public'::regnamespace
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')`
  const schemas = ['private', 'client_mgmt', 'conversation'].map((name) => `schema ${name}`)
  const names = /names: (.*)\.$/.exec(detail)?.[1]?.split(', ') ?? []
  expect(names.sort()).toEqual([...made.map(({ name }) => name), ...schemas].sort())
})
