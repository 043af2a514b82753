import type { Sql } from 'postgres'

/** As on the platform: the owner of migrations may refer to auth.users and put triggers on it. */
export async function prepareAuthSchema(sql: Sql, owner: string): Promise<void> {
  await sql`alter default privileges in schema auth grant all on tables to ${sql(owner)}`
}

/**
 * Replaces auth.uid() and its kin by the platform's definitions: lite's read only the older
 * settings, one per claim.
 */
export async function replaceAuthFunctions(sql: Sql): Promise<void> {
  const claim = (name: string) => `
    coalesce(
      nullif(current_setting('request.jwt.claim.${name}', true), ''),
      nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> '${name}'
    )`
  await sql.unsafe(`
    create or replace function auth.uid() returns uuid
      language sql stable as $$ select ${claim('sub')}::uuid $$;
    create or replace function auth.role() returns text
      language sql stable as $$ select ${claim('role')} $$;
    create or replace function auth.email() returns text
      language sql stable as $$ select ${claim('email')} $$;
    create or replace function auth.jwt() returns jsonb
      language sql stable as $$
        select coalesce(
          nullif(current_setting('request.jwt.claim', true), ''),
          nullif(current_setting('request.jwt.claims', true), '')
        )::jsonb
      $$;
  `)
  const [row] = await sql<{ users: string | null }[]>`select to_regclass('auth.users') as users`
  // lite swallows the errors of its own schema statements.
  if (row?.users == null) throw new Error('lite could not make the tables of schema auth')
}
