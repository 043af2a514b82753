import { createHash, randomUUID } from 'node:crypto'
import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addAccount,
  addMember,
  addOwner,
  as,
  refusal,
  signIn,
} from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const create = (name: string | null, slug: string | null) => (tx: TransactionSql) =>
  tx<
    { result: { id: number } }[]
  >`select to_jsonb(public.create_organization(${name}, ${slug})) as result`
const newSlug = () => `acme-${randomUUID()}`

test('the founder becomes the only member, as owner, and the session is at work there', async () => {
  await rolledBack(sql, async (tx) => {
    const founder = await addAccount(tx)
    const slug = newSlug()
    const [row] = await as(tx, founder, create('  Acme  ', slug))
    expect(row?.result).toMatchObject({ name: 'Acme', slug })
    const { claims } = await signIn(tx, founder, 'token_refresh')
    expect(claims).toMatchObject({
      organization_id: row?.result.id,
      organization_role: 'owner',
    })
    const members = await tx`
      select user_id, role from client_mgmt.client_users
      where organization_id = ${row?.result.id ?? 0}`
    expect(members).toEqual([{ user_id: founder.id, role: 'owner' }])
  })
})

test('founding a second organization moves neither the session nor the home', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await as(tx, owner, create('Second', newSlug()))
    const { claims } = await signIn(tx, owner, 'token_refresh')
    expect(claims.organization_id).toBe(owner.organizationId)
  })
})

test('a taken slug is a conflict that does not say whose it is', async () => {
  await rolledBack(sql, async (tx) => {
    const [one, two] = [await addAccount(tx), await addAccount(tx)]
    const slug = newSlug()
    await as(tx, one, create('Secret name', slug))
    const error: unknown = await as(tx, two, create('Mine', slug)).catch((e: unknown) => e)
    expect(error).toMatchObject({
      code: '23505',
      message: 'conflict',
      detail: 'The slug is taken.',
    })
    expect(JSON.stringify(error)).not.toContain('Secret name')
    expect((await signIn(tx, two)).claims).not.toHaveProperty('organization_id')
  })
})

test('one account founds at most twenty organizations', async () => {
  await rolledBack(sql, async (tx) => {
    const founder = await addAccount(tx)
    for (let count = 0; count < 20; count += 1) await as(tx, founder, create('Acme', newSlug()))
    const slug = newSlug()
    expect(await refusal(tx, founder, create('Acme', slug))).toBe('PT409 too_many_organizations')
    expect(await tx`select 1 from public.organizations where slug = ${slug}`).toEqual([])
  })
})

test('no transfer, new address, deletion or new account gives a founding back', async () => {
  await rolledBack(sql, async (tx) => {
    const founder = await addAccount(tx)
    const accomplice = await addAccount(tx)
    for (let count = 0; count < 20; count += 1) await as(tx, founder, create('Acme', newSlug()))
    await tx`
      insert into client_mgmt.client_users (organization_id, user_id, role)
      select organization_id, ${accomplice.id}, 'owner' from client_mgmt.client_users
      where user_id = ${founder.id}`
    await tx`
      update client_mgmt.client_users set role = 'member', ended_at = now()
      where user_id = ${founder.id}`
    const slug = newSlug()
    expect(await refusal(tx, founder, create('Acme', slug))).toBe('PT409 too_many_organizations')
    const rename = (email: string) =>
      tx`update auth.users set email = ${email} where id = ${founder.id}`
    await rename(`new-${founder.email}`)
    expect(await refusal(tx, founder, create('Acme', slug))).toBe('PT409 too_many_organizations')
    await rename(founder.email)
    await tx`delete from auth.users where id = ${founder.id}`
    const address = founder.email.toUpperCase().replace('@', '+again@')
    const again = await addAccount(tx, address)
    expect(await refusal(tx, again, create('Acme', slug))).toBe('PT409 too_many_organizations')
    await as(tx, accomplice, create('Acme', slug))
    // What is kept tells neither the account nor the address.
    const kept = await tx<{ founder: Buffer }[]>`select founder from private.founders`
    for (const identity of [founder.id, founder.email]) {
      const plain = createHash('sha256').update(identity).digest('hex')
      expect(kept.map((row) => row.founder.toString('hex'))).not.toContain(plain)
    }
  })
})

test('malformed names and slugs are invalid_request and leave nothing behind', async () => {
  await rolledBack(sql, async (tx) => {
    const founder = await addAccount(tx)
    const cases: [string | null, string | null][] = [
      ['', newSlug()],
      ['   ', newSlug()],
      ['x'.repeat(101), newSlug()],
      [null, newSlug()],
      ...[null, '', 'a', 'A-b', 'a_b', '-ab', 'ab-', 'a--b', 'a b', 'é-é', 'x'.repeat(64)].map(
        (slug) => ['Acme', slug] as [string, string | null],
      ),
    ]
    for (const [name, slug] of cases) {
      expect(await refusal(tx, founder, create(name, slug)), `${name} ${slug}`).toBe(
        '22023 invalid_request',
      )
    }
    expect(await refusal(tx, 'anon', create('Acme', newSlug()))).toMatch(/^42501 /)
    const rows = await tx`select 1 from client_mgmt.client_users where user_id = ${founder.id}`
    expect(rows).toHaveLength(0)
  })
})

test('members.manage renames; members, strangers and anon do not; slug and state nobody', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const stranger = await addOwner(tx)
    const rename = (inner: TransactionSql) =>
      inner`update public.organizations set name = 'Renamed' where id = ${owner.organizationId}`
    expect(await refusal(tx, member, rename)).toBe('42501 permission_denied')
    expect((await as(tx, stranger, rename)).count).toBe(0)
    expect(await refusal(tx, 'anon', rename)).toMatch(/^42501 /)
    const [before] = await tx`
      select name from public.organizations where id = ${owner.organizationId}`
    expect(before?.name).not.toBe('Renamed')
    expect((await as(tx, owner, rename)).count).toBe(1)
    for (const change of [`slug = 'stolen'`, 'is_active = false', 'id = default']) {
      const update = (inner: TransactionSql) =>
        inner.unsafe(`update public.organizations set ${change}`)
      expect(await refusal(tx, owner, update), change).toMatch(/^4(2501|28C9) /)
    }
    const remove = (inner: TransactionSql) => inner`delete from public.organizations`
    for (const actor of [owner, 'service_role'] as const) {
      expect(await refusal(tx, actor, remove)).toMatch(/^42501 /)
    }
  })
})

test('an organization is seen by its members alone, billing details with billing.manage', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const admin = await addMember(tx, owner.organizationId, 'admin')
    const clients = (inner: TransactionSql) =>
      inner`select id, billing_info from client_mgmt.clients`
    const id = String(owner.organizationId)
    expect(await as(tx, owner, clients)).toEqual([{ id, billing_info: {} }])
    expect(await as(tx, admin, clients)).toEqual([{ id, billing_info: null }])
    const stranger = await addOwner(tx)
    const seen = await as(tx, stranger, clients)
    expect(seen.map((row) => String(row.id))).toEqual([String(stranger.organizationId)])
  })
})

test('the home organization of an account is shown to nobody else', async () => {
  await rolledBack(sql, async (tx) => {
    const elsewhere = await addOwner(tx)
    const owner = await addOwner(tx)
    await tx`
      insert into client_mgmt.client_users (organization_id, user_id, role)
      values (${owner.organizationId}, ${elsewhere.id}, 'member')`
    const rows = await as(tx, owner, (t) => t`select * from public.organization_members()`)
    expect(rows).toHaveLength(2)
    const shown = JSON.stringify([
      rows,
      await as(tx, owner, (t) => t`select * from client_mgmt.client_users`),
      await as(tx, owner, (t) => t`select * from public.user_sessions`),
      await as(tx, owner, (t) => t`select * from public.users where id = ${elsewhere.id}`),
    ])
    expect(shown).not.toMatch(new RegExp(`organization_id":"?${elsewhere.organizationId}\\b`))
  })
})
