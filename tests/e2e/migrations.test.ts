import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { StartError } from '../../dev/process/start-error.ts'
import { eachTestFolder } from '../support/stack/stack-folder.ts'

const folder = eachTestFolder()

const FIRST = 'migrations/20260101000000_first.sql'
const SECOND = 'migrations/20260102000000_second.sql'

async function query<Row>(url: string, text: string): Promise<Row[]> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  try {
    return (await sql.unsafe(text)) as unknown as Row[]
  } finally {
    await sql.end()
  }
}

async function failureOf(start: Promise<unknown>): Promise<string> {
  const error: unknown = await start.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(StartError)
  const { message } = error as StartError
  expect(message.split('\n')).toHaveLength(1)
  return message
}

describe('migrations', () => {
  test('are applied once, and recorded as the Supabase CLI records them', async () => {
    const { start, write } = bound()
    write(
      FIRST,
      `-- why\ncreate table public.a (t text default 'x;y');\n\ninsert into public.a values ('1');\n`,
    )
    await (await start()).close()
    const stack = await start()
    expect(await query(stack.databaseUrl, 'select t from public.a')).toEqual([{ t: '1' }])
    expect(
      await query(stack.databaseUrl, 'select * from supabase_migrations.schema_migrations'),
    ).toEqual([
      {
        version: '20260101000000',
        name: 'first',
        statements: [
          `-- why\ncreate table public.a (t text default 'x;y')`,
          `insert into public.a values ('1')`,
        ],
      },
    ])
  })

  test('a broken one names file, line, statement and error, and applies nothing of its file', async () => {
    const { start, write } = bound()
    write(FIRST, 'create table public.a (t text);')
    write(SECOND, 'create table public.b ();\n\n-- wrong\nselect missing\n  from public.a;')
    expect(await failureOf(start())).toMatch(
      /20260102000000_second\.sql:4: column "missing" does not exist \(SQLSTATE 42703\) in: select missing from public\.a\. Nothing of this file was applied/,
    )
    write(SECOND, 'create table public.b ();')
    const stack = await start()
    expect(await query(stack.databaseUrl, `select to_regclass('public.b')::text as b`)).toEqual([
      { b: 'b' },
    ])
  })

  test('a changed one builds a new database and keeps the old one, saying where', async () => {
    const { start, write, lines, state } = bound()
    write(FIRST, 'create table public.a (t text);')
    const before = await start()
    await query(before.databaseUrl, `insert into public.a values ('dear')`)
    await before.close()
    write(FIRST, 'create table public.a (t text, u text);')
    const after = await start()
    expect(await query(after.databaseUrl, 'select * from public.a')).toEqual([])
    const kept = readdirSync(state).find((name) => name.startsWith('postgres-'))
    expect(lines).toContainEqual(
      expect.stringMatching(
        new RegExp(`first\\.sql was changed after it was applied: .* kept in .*${kept}\\.`),
      ),
    )
    expect(readFileSync(join(state, kept ?? '', 'PG_VERSION'), 'utf8')).toBe('17\n')
  })

  test.each([
    ['removed', /20260102000000_second\.sql was applied and is now missing/],
    ['inserted before', /20260101120000_between\.sql sorts before one that was already applied/],
  ])('a file %s builds a new database', async (change, line) => {
    const { start, write, remove, lines } = bound()
    write(FIRST, 'create table public.a ();')
    write(SECOND, 'create table public.b ();')
    await (await start()).close()
    if (change === 'removed') remove(SECOND)
    else write('migrations/20260101120000_between.sql', 'create table public.c ();')
    await start()
    expect(lines).toContainEqual(expect.stringMatching(line))
  })

  test('white space at the end of a file is no change', async () => {
    const { start, write, lines } = bound()
    write(FIRST, 'create table public.a ();')
    await (await start()).close()
    write(FIRST, 'create table public.a ();\n\n')
    await start()
    expect(lines.filter((line) => line.includes('changed'))).toEqual([])
  })

  test('the seed is applied again only when it has changed', async () => {
    const { start, write } = bound()
    write(FIRST, 'create table public.a (t text);')
    write('seed.sql', `insert into public.a values ('1');`)
    await (await start()).close()
    await (await start()).close()
    write('seed.sql', `insert into public.a values ('2');`)
    const stack = await start()
    expect(await query(stack.databaseUrl, 'select t from public.a order by t')).toEqual([
      { t: '1' },
      { t: '2' },
    ])
  })

  test('run against the privileges of the platform: what is made in public is open to all', async () => {
    const { start, write } = bound()
    write(
      FIRST,
      'create table public.a (); create function public.f() returns void language sql begin atomic; end;',
    )
    const { databaseUrl } = await start()
    expect(
      await query(
        databaseUrl,
        `select r as role, has_table_privilege(r, 'public.a', 'insert') as inserts,
           has_function_privilege(r, 'public.f()', 'execute') as executes
         from unnest('{anon,authenticated,service_role}'::text[]) as r`,
      ),
    ).toEqual(
      ['anon', 'authenticated', 'service_role'].map((role) => ({
        role,
        inserts: true,
        executes: true,
      })),
    )
    expect(
      await query(
        databaseUrl,
        `select rolname as name, rolsuper as super, rolbypassrls as bypass, rolinherit as inherit,
           rolcanlogin as login
         from pg_roles where rolname in
           ('anon', 'authenticated', 'authenticator', 'postgres', 'service_role', 'supabase_auth_admin')
         order by rolname`,
      ),
    ).toEqual([
      { name: 'anon', super: false, bypass: false, inherit: false, login: false },
      { name: 'authenticated', super: false, bypass: false, inherit: false, login: false },
      { name: 'authenticator', super: false, bypass: false, inherit: false, login: true },
      { name: 'postgres', super: false, bypass: true, inherit: true, login: true },
      { name: 'service_role', super: false, bypass: true, inherit: false, login: false },
      { name: 'supabase_auth_admin', super: false, bypass: false, inherit: false, login: true },
    ])
  })
})

describe('the embedded database', () => {
  test('starts over a postmaster.pid whose process is another one', async () => {
    const { start, write, lines, state } = bound()
    write(FIRST, 'create table public.a ();')
    await (await start()).close()
    const file = join(state, 'postgres', 'postmaster.pid')
    writeFileSync(file, `${process.pid}\n${join(state, 'postgres')}\n`)
    await start()
    expect(lines).toContainEqual(expect.stringMatching(/^Removed a stale postmaster\.pid/))
    expect(readFileSync(file, 'utf8')).not.toMatch(new RegExp(`^${process.pid}\n`))
  })

  test('says what to do when the data is of another version', async () => {
    const { start, write, state } = bound()
    write(FIRST, 'create table public.a ();')
    await (await start()).close()
    writeFileSync(join(state, 'postgres', 'PG_VERSION'), '16\n')
    expect(await failureOf(start())).toMatch(/was made by PostgreSQL 16, this is 17\. .*db:reset/)
  })
})

describe('a database of your own', () => {
  test('is prepared, used and never rebuilt', async () => {
    const { start, write, state } = bound()
    write(FIRST, 'create table public.a (t text);')
    const host = await start()
    await query(
      host.superuserUrl ?? '',
      'create role app login password $$app$$ createrole bypassrls',
    )
    await query(host.superuserUrl ?? '', 'create database app owner app')
    for (const role of [
      'anon',
      'authenticated',
      'service_role',
      'authenticator',
      'supabase_auth_admin',
      'supabase_realtime_admin',
      'supabase_storage_admin',
    ]) {
      await query(host.superuserUrl ?? '', `grant ${role} to app with admin true, set true`)
    }
    const url = new URL(host.databaseUrl)
    url.username = url.password = url.pathname = 'app'
    const options = { databaseUrl: url.href, directory: `${state}-2` }

    const mine = await start(options)
    expect(mine.databaseUrl).toBe(url.href)
    const signedUp = await fetch(`${mine.url}/auth/v1/signup`, {
      method: 'POST',
      headers: { apikey: mine.publishableKey, 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'ada@example.com', password: 'a long password' }),
    })
    expect(signedUp.status).toBe(200)
    const read = await fetch(`${mine.url}/rest/v1/a`, { headers: { apikey: mine.secretKey } })
    expect([read.status, await read.json()]).toEqual([200, []])
    expect(await query(url.href, 'select count(*)::integer as users from auth.users')).toEqual([
      { users: 1 },
    ])
    await mine.close()

    write(FIRST, 'create table public.a (t text, u text);')
    expect(await failureOf(start(options))).toMatch(
      /first\.sql was changed after it was applied\. The database of DATABASE_URL is not rebuilt: /,
    )
  })

  test('whose user may not make what is missing is told what it needs', async () => {
    const { start, write, state } = bound()
    write(FIRST, 'create table public.a ();')
    const host = await start()
    await query(host.superuserUrl ?? '', 'create role app login password $$app$$')
    await query(host.superuserUrl ?? '', 'create database app')
    const url = new URL(host.databaseUrl)
    url.username = url.password = url.pathname = 'app'
    expect(await failureOf(start({ databaseUrl: url.href, directory: `${state}-2` }))).toMatch(
      /user of DATABASE_URL may not prepare the database: permission denied .* may create roles/,
    )
  })
})

/** The folder's functions, bound, so that a test can take apart what it needs. */
function bound() {
  const own = folder()
  return {
    start: own.start.bind(own),
    write: own.write.bind(own),
    remove: own.remove.bind(own),
    lines: own.lines,
    state: own.state,
  }
}
