import type { Sql, TransactionSql } from 'postgres'
import { beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../dev/postgres/database.ts'
import { addMember, addOwner, type Member } from '../support/people/tenants.ts'
import { connectOwner } from '../support/stack/database.ts'
import {
  type Asked,
  beginRequest,
  request as send,
  requestOutcome,
} from '../support/stack/requests.ts'
import { useDatabase } from '../support/stack/stack.ts'

// How long a request may run, and hold what others wait for.

const sql = connectOwner()
let owner: Member
beforeAll(async () => {
  owner = await addOwner(sql)
})

type Given = Partial<Asked>
const begin = (tx: TransactionSql, asked: Given) =>
  beginRequest(tx, { claims: owner.claims, ...asked })
const outcome = (pool: Sql, asked: Given) =>
  requestOutcome(pool, { claims: owner.claims, ...asked })
const request = (path: string, init: Parameters<typeof send>[1]) => send(path, init, owner.claims)

describe('the time of a request', () => {
  /** The calls that keep the time of their role, as private.check_request() names them. */
  async function patient(): Promise<string[]> {
    const [row] = await sql<{ body: string }[]>`
      select prosrc as body from pg_proc where oid = 'private.check_request'::regproc`
    return [...(row?.body ?? '').matchAll(/'\/rpc\/(\w+)'/g)].map(([, name]) => name ?? '')
  }
  const timeout = (asked: Given) =>
    sql.begin(async (tx) => {
      await tx`set local statement_timeout = '8s'`
      await begin(tx, asked)
      const [row] = await tx<{ timeout: string }[]>`
        select current_setting('statement_timeout') as timeout`
      return row?.timeout
    })

  test('is three seconds, whatever its method and its path', async () => {
    for (const method of ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE']) {
      for (const path of [
        '/users',
        '/rpc/switch_organization',
        '/rpc/usage_by_day',
        '/remove_member',
      ]) {
        expect([method, path, await timeout({ method, path })]).toEqual([method, path, '3s'])
      }
    }
  })

  test('of a call that ends access is that of its role: longer than two others of a person', async () => {
    const calls = await patient()
    expect(calls).toContain('remove_member')
    for (const call of calls) {
      expect([call, await timeout({ method: 'POST', path: `/rpc/${call}` })]).toEqual([call, '8s'])
    }
  })

  test('is longer only for calls without an answer, on which nothing can be computed', async () => {
    const answers = await sql`
      select proname as name, prorettype::regtype::text as answer from pg_proc
      where pronamespace = 'public'::regnamespace and proname = any (${await patient()})`
    expect(answers.map(({ answer }) => String(answer))).toEqual(
      Array((await patient()).length).fill('void'),
    )
  })
})

describe('a regular expression', () => {
  const pattern = (work: string, method = 'POST'): Given => ({
    method,
    work: (tx) => tx.unsafe(work),
  })
  const refused = 'PT400 pattern_not_allowed'

  test('is refused on the answer of every function that may write', async () => {
    const functions = await sql<{ name: string; call: string }[]>`
      select p.oid::regprocedure::text as name, format(
        'select * from %s(%s) answer where answer::text ~ ''x''', p.oid::regproc,
        (select string_agg(case when a = 'uuid'::regtype then 'gen_random_uuid()'
          else format('null::%s', a::regtype) end, ', ') from unnest(p.proargtypes) a)
      ) as call
      from pg_proc p
      where p.pronamespace = any ('{public,client_mgmt,conversation}'::regnamespace[])
        and p.provolatile = 'v' and has_function_privilege('authenticated', p.oid, 'execute')
        and p.prorettype <> 'void'::regtype
      order by 1`
    expect(functions.length).toBeGreaterThan(10)
    const outcomes: [string, string][] = []
    for (const { name, call } of functions) outcomes.push([name, await outcome(sql, pattern(call))])
    expect(outcomes).toEqual(functions.map(({ name }) => [name, refused]))
  })

  test('is refused in a write of every table that a member of it changes', async () => {
    const held = 'where id::text ~ $1'.replace('$1', `'.'`)
    for (const statement of [
      `update public.users set display_name = 'x' ${held}`,
      `update public.user_sessions set workspace_path = 'x' ${held}`,
      `with changed as (update public.user_sessions set workspace_path = 'x' returning id)
       select 1 from changed, public.users u where u.email ~ '^(a*)(a*)b'`,
      `with made as (insert into public.chat_sessions (title) values ('x') returning title)
       select 1 from made where title ~ 'x'`,
    ]) {
      for (const method of ['POST', 'PATCH', 'DELETE', 'PUT']) {
        expect(await outcome(sql, pattern(statement, method))).toBe(refused)
      }
    }
  })

  test('is let through in a read by any method, and a like in a write', async () => {
    const read = `select 1 from public.users where email ~ 'x'`
    expect(await outcome(sql, pattern(read, 'GET'))).toBe('allowed')
    const readOnly: Given = {
      method: 'POST',
      work: async (tx) => {
        await tx`set transaction_read_only = on`
        await tx.unsafe(read)
      },
    }
    expect(await outcome(sql, readOnly)).toBe('allowed')
    const write = `update public.users set display_name = 'a ~ b' where email like '%x%'`
    expect(await outcome(sql, pattern(write.replace('~', '-'), 'PATCH'))).toBe('allowed')
  })
})

describe('through REST', () => {
  test('a pattern is refused where locks are held, and taken where a text has its sign', async () => {
    const { organizationId, sessionId } = owner
    const switched = JSON.stringify({ organization_id: organizationId })
    const own = `/user_sessions?id=eq.${sessionId}`
    const slow = encodeURIComponent('^(a*)(a*)b\\1\\2$')
    const prefer = { prefer: 'return=representation' }
    for (const [path, init] of [
      [`/rpc/switch_organization?role=match.${slow}`, { method: 'POST', body: switched }],
      [`/rpc/switch_organization?role=not.imatch.${slow}`, { method: 'POST', body: switched }],
      [
        `${own}&workspace_path=imatch.${slow}`,
        { method: 'PATCH', body: '{"workspace_path":"a"}', headers: prefer },
      ],
      [`/chat_sessions?title=match.${slow}`, { method: 'DELETE' }],
    ] as const) {
      const answer = await request(path, init)
      expect([path, answer.status]).toEqual([path, 400])
      expect(await answer.json()).toMatchObject({ code: 'PT400', message: 'pattern_not_allowed' })
    }
    const sign = '{"workspace_path":"home ~ work ~* "}'
    expect((await request(own, { method: 'PATCH', body: sign })).status).toBe(204)
    const named = JSON.stringify({ agent: 'a ~ b', content: ' ~ ', variables: {} })
    const preview = await request('/rpc/preview_system_prompt', { method: 'POST', body: named })
    expect(await preview.text()).not.toContain('pattern_not_allowed')
    expect((await request(`/rpc/organization_members?email=match.${slow}`, {})).status).toBe(200)
  })

  test('a member is removed while a request of theirs holds what the removal needs', async () => {
    const leaver = await addMember(sql, owner.organizationId)
    const held = connect(useDatabase().databaseUrl, 3)
    const hold = async (statement: string, released: Promise<void>, holds: () => void) =>
      held.begin(async (tx) => {
        await begin(tx, { claims: leaver.claims, method: 'PATCH' })
        await tx.unsafe(statement)
        holds()
        await released
      })
    let release: () => void = () => undefined
    const released = new Promise<void>((resolve) => (release = resolve))
    try {
      const first = new Promise<void>((resolve) => {
        void hold(`update public.user_sessions set workspace_path = 'a'`, released, resolve)
      })
      await first
      const removal = request('/rpc/remove_member', {
        method: 'POST',
        body: JSON.stringify({ user_id: leaver.id }),
      })
      await expect
        .poll(async () => (await sql`select 1 from pg_locks where not granted`).length, {
          timeout: 5_000,
        })
        .toBeGreaterThan(0)
      release()
      expect((await removal).status).toBe(204)
    } finally {
      release()
      await held.end()
    }
  })
})
