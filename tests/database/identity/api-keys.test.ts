import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addMember,
  addOwner,
  addPlatformAdmin,
  as,
  type Member,
  outcome,
  refusal,
  signIn,
} from '../../support/people/tenants.ts'
import { hashOf, keyWorks, makeKey } from '../../support/rows/api-keys.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const works = (tx: TransactionSql, key: string) => outcome(keyWorks(tx, key))
const refused = 'PT401 unauthorized'
const revoke = (id: string) => (tx: TransactionSql) => tx`select public.revoke_api_key(${id})`
const list = (tx: TransactionSql, member: Member) =>
  as(tx, member, (t) => t`select * from public.list_api_keys()`)
const sessionOf = async (tx: TransactionSql, id: string) => {
  const [row] = await tx`select * from public.user_sessions where id = ${id}`
  return row
}

test('a key is shown once: the database keeps its hash, a prefix, and nothing else of it', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const made = await as(tx, owner, makeKey({ name: ' site ' }))
    expect(made.key).toMatch(/^clq_[\w-]{43}$/)
    expect(made).toMatchObject({ name: 'site', permissions: ['agents.invoke'] })
    expect(made.key.startsWith(made.prefix)).toBe(true)
    expect(made.prefix).toHaveLength(10)
    const days = (Date.parse(made.expires_at) - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(89)
    expect(days).toBeLessThan(91)
    const rows = await tx`
      select encode(s.secret_hash, 'hex') as hash, to_jsonb(s)::text || to_jsonb(k)::text as all_of_it
      from private.api_key_secrets s join private.api_keys k on k.id = s.api_key_id
      where k.id = ${made.id}`
    expect(rows).toHaveLength(1)
    expect(rows[0]?.hash).toBe(hashOf(made.key))
    expect(rows[0]?.all_of_it).not.toContain(made.key)
    expect(JSON.stringify(await list(tx, owner))).not.toContain(made.key)
    for (const role of ['service_role', 'authenticated', 'anon'] as const) {
      for (const table of ['api_keys', 'api_key_secrets']) {
        expect(await refusal(tx, role, (t) => t`select * from private.${t(table)}`)).toMatch(
          /^42501/,
        )
      }
    }
  })
})

test.each([
  ['no name', { name: '  ' }, '22023 invalid_request'],
  ['null as its name', { name: null }, '22023 invalid_request'],
  ['a long name', { name: 'x'.repeat(101) }, '22023 invalid_request'],
  ['no permission', { permissions: [] }, '22023 invalid_request'],
  ['an unknown permission', { permissions: ['everything'] }, '22023 invalid_request'],
  ['an expiry that is over', { expires_at: '2020-01-01' }, '22023 invalid_request'],
  ['an expiry in two years', { expires_at: '2028-12-01' }, '22023 invalid_request'],
  ['an endless expiry', { expires_at: 'infinity' }, '22023 invalid_request'],
  ['a permission of its maker', { permissions: ['agents.manage'] }, 'allowed'],
  [
    'a permission beyond its maker',
    { permissions: ['content.read_all'] },
    '42501 permission_denied',
  ],
] as const)('a key with %s', async (_, options, expected) => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const permissions = [...('permissions' in options ? options.permissions : ['agents.invoke'])]
    const made = refusal(tx, owner, makeKey({ ...options, permissions }))
    expect(await made).toBe(expected)
    const rows =
      await tx`select 1 from private.api_keys where organization_id = ${owner.organizationId}`
    expect(rows).toHaveLength(expected === 'allowed' ? 1 : 0)
  })
})

test('a key holds the chosen part of what its member holds now', async () => {
  await rolledBack(sql, async (tx) => {
    const { organizationId } = await addOwner(tx)
    const admin = await addMember(tx, organizationId, 'admin', ['billing.manage'])
    const permissions = ['agents.invoke', 'billing.manage', 'members.manage']
    const { id } = await as(tx, admin, makeKey({ permissions }))
    const held = async () => (await sessionOf(tx, id))?.permissions as string[]
    expect(await held()).toEqual(permissions)
    const change = (role: string, added: string[]) => tx`
      update client_mgmt.client_users set role = ${role}, permissions = ${added}
      where user_id = ${admin.id}`
    await change('member', [])
    expect(await held()).toEqual(['agents.invoke'])
    // More than was chosen never comes with a promotion.
    await change('owner', ['content.read_all'])
    expect(await held()).toEqual(permissions)
    await tx`
      update public.user_sessions set permissions = '{audit.read}', role = 'owner' where id = ${id}`
    expect(await held()).toEqual(permissions)
    expect((await sessionOf(tx, id))?.role).toBe('api_key')
  })
})

const ends: Record<
  string,
  (tx: TransactionSql, member: Member, id: string) => PromiseLike<unknown>
> = {
  revocation: (tx, member, id) => as(tx, member, revoke(id)),
  expiry: (tx, _, id) =>
    tx`update public.user_sessions set expires_at = now() - interval '1 second' where id = ${id}`,
  'the end of the membership': (tx, { id }) =>
    tx`update client_mgmt.client_users set ended_at = now() where user_id = ${id}`,
  'the deletion of the membership': (tx, { id }) =>
    tx`delete from client_mgmt.client_users where user_id = ${id}`,
  'the suspension of the account': (tx, { id }) =>
    tx`update public.users set is_active = false where id = ${id}`,
  'the suspension of the organization': (tx, { organizationId }) =>
    tx`update public.organizations set is_active = false where id = ${organizationId}`,
  'the deletion of the account': (tx, { id }) => tx`delete from auth.users where id = ${id}`,
}
test.each(Object.entries(ends))('%s ends a key at the next statement', async (_, end) => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const { id, key } = await as(tx, member, makeKey())
    const { key: other } = await as(tx, owner, makeKey())
    expect(await works(tx, key)).toBe('allowed')
    await end(tx, member, id)
    expect(await works(tx, key)).toBe(refused)
    const isEverybody = end === ends['the suspension of the organization']
    expect(await works(tx, other)).toBe(isEverybody ? refused : 'allowed')
  })
})

test.each([
  ['ended with its membership', { ended_at: '2026-01-01' }, { ended_at: null }],
  ['ended when its member became a guest', { role: 'guest' }, { role: 'member' }],
])('a key that %s does not come back with the next membership', async (_, over, again) => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const { key } = await as(tx, member, makeKey())
    const set = (to: { ended_at: string | null } | { role: string }) =>
      tx`update client_mgmt.client_users set ${tx(to)} where user_id = ${member.id}`
    await set(over)
    expect(await works(tx, key)).toBe(refused)
    expect(await refusal(tx, member, makeKey())).toBe('42501 no_organization')
    await set(again)
    expect(await works(tx, key)).toBe(refused)
    const { key: next } = await as(tx, member, makeKey())
    expect(await works(tx, next)).toBe('allowed')
  })
})

test('a member lists and revokes their own keys; members.manage those of everyone up to their rank', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const admin = await addMember(tx, owner.organizationId, 'admin')
    const ben = await addMember(tx, owner.organizationId)
    const cleo = await addMember(tx, owner.organizationId)
    const stranger = await addOwner(tx)
    const first = await as(tx, ben, makeKey())
    const owners = await as(tx, owner, makeKey())
    const ids = async (member: Member) => (await list(tx, member)).map((row) => row.id as string)
    expect(await ids(ben)).toEqual([first.id])
    expect(await ids(cleo)).toEqual([])
    expect(await ids(stranger)).toEqual([])
    expect(new Set(await ids(admin))).toEqual(new Set([first.id, owners.id]))
    expect(await refusal(tx, cleo, revoke(first.id))).toBe('PT404 api_key_not_found')
    expect(await refusal(tx, stranger, revoke(first.id))).toBe('PT404 api_key_not_found')
    expect(await refusal(tx, admin, revoke(owners.id))).toBe('42501 permission_denied')
    expect(await works(tx, owners.key)).toBe('allowed')
    expect(await works(tx, first.key)).toBe('allowed')
    await as(tx, admin, revoke(first.id))
    expect(await works(tx, first.key)).toBe(refused)
    const [row] = await list(tx, ben)
    expect(row).toMatchObject({ works: false, revoked_by: admin.id })
  })
})

test('no grant of a platform administrator makes, lists or revokes a key', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { id, key } = await as(tx, owner, makeKey())
    const operator = await addPlatformAdmin(tx)
    await as(
      tx,
      operator,
      (t) =>
        t`select public.open_break_glass(${owner.organizationId}, 'a reported fault', 'content', 1)`,
    )
    const { claims } = await signIn(tx, operator)
    expect(claims.organization_id).toBe(owner.organizationId)
    expect(await refusal(tx, claims, makeKey())).toMatch(/^42501/)
    expect(await refusal(tx, claims, revoke(id))).toBe('PT404 api_key_not_found')
    expect(await as(tx, claims, (t) => t`select * from public.list_api_keys()`)).toEqual([])
    expect(await works(tx, key)).toBe('allowed')
  })
})

test('a member has at most 20 keys that work, and a hundred with those that ended', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await tx`update client_mgmt.organization_limits set changes_per_minute_per_user = 1000`
    for (let n = 0; n < 95; n++) await as(tx, owner, revoke((await as(tx, owner, makeKey())).id))
    for (let n = 0; n < 20; n++) await as(tx, owner, makeKey())
    expect(await refusal(tx, owner, makeKey())).toBe('PT409 too_many_api_keys')
    const rows = await list(tx, owner)
    expect(rows.filter((row) => row.works)).toHaveLength(20)
    expect(rows.length).toBeLessThanOrEqual(100)
  })
})

test('a key is no sign-in: it is in no list of devices, displaces none, and no client reads its session', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { id } = await as(tx, owner, makeKey())
    const seen = await as(
      tx,
      owner,
      (t) => t`
        select id::text from public.user_sessions union all select id::text from public.active_user_sessions
        union all select id::text from public.list_sessions()`,
    )
    expect(seen.map((row) => row.id as string)).not.toContain(id)
    expect(seen).toHaveLength(3)
    const revokeSession = (t: TransactionSql) => t`select public.revoke_session(${id})`
    expect(await refusal(tx, owner, revokeSession)).toBe('PT404 session_not_found')
    const changed = await as(
      tx,
      owner,
      (t) => t`update public.user_sessions set workspace_path = '/' where id = ${id} returning 1`,
    )
    expect(changed).toHaveLength(0)
  })
})
