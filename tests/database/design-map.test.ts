import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { root } from '../../dev/check/command.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
const text = readFileSync(path.join(root, 'docs/design-map.md'), 'utf8')
const schemas = ['public', 'client_mgmt', 'conversation', 'private']

/** Names of the designs that the page must have, whatever the catalog calls them. */
const designs = [
  ...['app_user', 'admin_user', 'client_users', 'site_preferences', 'client_id', 'tenant_id'],
  ...['update_updated_at_column', 'custom_access_token_hook', 'get_effective_system_prompts'],
  ...['log_audit_event', 'encrypt_token', 'decrypt_token', 'cleanup_expired_sessions'],
  ...['cleanup_expired_oauth_states', 'cleanup_expired_oauth_tokens', 'create_client_schema'],
  ...['migrate_site_preferences'],
]

/** Places that the page names: tables, views, columns and functions of our schemas. */
const places = [
  ...text.matchAll(/`((?:public|client_mgmt|conversation|private)\.[\w.]+(?:\(\))?)`/g),
].map(([, place = '']) => place)

async function catalog(): Promise<{ relations: string[]; exposed: string[]; all: Set<string> }> {
  const relations = await sql<{ name: string; exposed: boolean }[]>`
    select format('%s.%s', n.nspname, c.relname) as name, n.nspname <> 'private' as exposed
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any (${schemas}) and c.relkind in ('r', 'v')`
  const columns = await sql<{ name: string }[]>`
    select format('%s.%s.%s', table_schema, table_name, column_name) as name
    from information_schema.columns where table_schema = any (${schemas})`
  const functions = await sql<{ name: string }[]>`
    select format('%s.%s()', n.nspname, p.proname) as name
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = any (${schemas})`
  return {
    relations: relations.map(({ name }) => name),
    exposed: relations.filter(({ exposed }) => exposed).map(({ name }) => name),
    all: new Set([...relations, ...columns, ...functions].map(({ name }) => name)),
  }
}

test('each place of the map of the designs exists in the catalog', async () => {
  const { all } = await catalog()
  expect(places.length).toBeGreaterThan(60)
  expect(places.filter((place) => !all.has(place))).toEqual([])
})

test('each exposed table and view stands in the map of the designs', async () => {
  const { exposed } = await catalog()
  expect(exposed.length).toBeGreaterThan(60)
  expect(exposed.filter((name) => !places.includes(name))).toEqual([])
})

test('the map of the designs has each of their names', () => {
  expect(designs.filter((name) => !text.includes(`\`${name}\``))).toEqual([])
})

test('no role of the designs is a role of the database', async () => {
  const roles = await sql`
    select rolname from pg_roles where rolname in ('app_user', 'admin_user', 'readonly_user', 'service_user')`
  expect([...roles]).toEqual([])
})
