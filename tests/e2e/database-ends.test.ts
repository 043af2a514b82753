import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../dev/postgres/database.ts'
import type { Stack } from '../../dev/stack/stack-options.ts'
import { sharedFolder } from '../support/stack/stack-folder.ts'

const MIGRATION = `
create table public.a (id int primary key generated always as identity, t text default 'x');
alter table public.a enable row level security;
create function public.wait() returns int language sql as 'select pg_sleep(5); select 1';
`
const folder = sharedFolder()
let stack: Stack
let superuser: Sql

beforeAll(async () => {
  folder.write('migrations/20260101000000_first.sql', MIGRATION)
  stack = await folder.start()
  superuser = connect(stack.superuserUrl ?? '')
}, 60_000)
afterAll(() => superuser.end())

const post = (path: string, body: object) =>
  fetch(stack.url + path, {
    method: 'POST',
    headers: { apikey: stack.secretKey, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

const parts = {
  rest: { login: 'authenticator', good: 201, ask: () => post('/rest/v1/a', {}) },
  auth: {
    login: 'supabase_auth_admin',
    good: 400, // The database was asked: there is no such person.
    ask: () =>
      post('/auth/v1/token?grant_type=password', { email: 'a@example.com', password: 'absent 1' }),
  },
} as const
type Part = keyof typeof parts

const terminate = (login: string) => superuser`
  select pg_terminate_backend(pid) from pg_stat_activity where usename = ${login}`

async function expectUnavailable(response: Response): Promise<void> {
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
  expect(await response.text()).toContain('database_unavailable')
}

/** The part answers as before, sooner or later. */
async function expectRecovery(part: Part): Promise<void> {
  const { ask, good } = parts[part]
  await expect.poll(async () => (await ask()).status, { interval: 100 }).toBe(good)
}

describe.each(['rest', 'auth'] as const)('%s', (part) => {
  const { ask, good, login } = parts[part]

  test('goes on when its connections at rest are terminated', async () => {
    await Promise.all([ask(), ask(), ask()])
    await terminate(login)
    await expectRecovery(part)
  })

  const refusals = [
    ['has no connection left for the login', 'connection limit 0', 'connection limit -1'],
    ['lets the login in no more', 'nologin', 'login'],
    [
      'fails at a setting of the login',
      "set session_preload_libraries = 'absent'",
      'reset session_preload_libraries',
    ],
  ] as const
  test.each(refusals)('says so and recovers when the database %s', async (_, spoil, mend) => {
    await superuser.unsafe(`alter role ${login} ${spoil}`)
    try {
      await terminate(login)
      await pause(100)
      await expectUnavailable(await ask())
    } finally {
      await superuser.unsafe(`alter role ${login} ${mend}`)
    }
    expect((await ask()).status).toBe(good)
  })

  test('says so and recovers when the database is closed (55000)', async () => {
    const server = connect(
      Object.assign(new URL(stack.superuserUrl ?? ''), { pathname: '/template1' }).href,
    )
    try {
      await server`alter database postgres with allow_connections false`
      await terminate(login)
      await pause(100)
      await expectUnavailable(await ask())
    } finally {
      await server`alter database postgres with allow_connections true`
      await server.end()
    }
    expect((await ask()).status).toBe(good)
  })
})

test('a request whose back-end is terminated is the one that fails', async () => {
  const waiting = post('/rest/v1/rpc/wait', {})
  const isUnderWay = async () => {
    const rows = await superuser`
      select from pg_stat_activity where usename = 'authenticator' and wait_event = 'PgSleep'`
    return rows.length
  }
  await expect.poll(isUnderWay).toBe(1)
  await superuser`select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'`
  await expectUnavailable(await waiting)
  expect((await parts.rest.ask()).status).toBe(201)
})

test('a killed PostgreSQL is started again, and REST and Auth answer as before', async () => {
  // The test's stack commits asynchronously: what is not on disk would be lost.
  await superuser`checkpoint`
  const pid = readFileSync(`${folder.state}/postgres/postmaster.pid`, 'utf8').split('\n')[0]
  process.kill(Number(pid), 'SIGKILL')
  await pause(50)
  await expectUnavailable(await parts.rest.ask())
  await expectRecovery('rest')
  await expectRecovery('auth')
  expect(folder.lines).toContainEqual(expect.stringMatching(/^PostgreSQL ended \(.*started again/))
}, 60_000)
