import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  type Account,
  addAccount,
  addDevice,
  addMember,
  addOrganization,
  addOwner,
  as,
  type Member,
  outcome,
  signIn,
} from '../../support/people/tenants.ts'
import { actAs, connectOwner, connectSuperuser, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const superuser = connectSuperuser()

const refresh = <A extends Account>(tx: TransactionSql, account: A) =>
  signIn(tx, account, 'token_refresh')

test('the auth server alone may run the hook, and reads nothing else with it', async () => {
  // The platform's postgres may not become it.
  await rolledBack(superuser, async (tx) => {
    const owner = await addOwner(tx)
    const event = tx.json({
      user_id: owner.id,
      claims: { sub: owner.id, session_id: owner.sessionId },
    })
    await tx.savepoint(async (inner) => {
      await actAs(inner, 'supabase_auth_admin')
      const [row] = await inner`select public.custom_access_token_hook(${event}) as result`
      expect(row?.result).toMatchObject({ claims: { organization_id: owner.organizationId } })
      expect(await outcome(inner.savepoint((s) => s`select * from public.user_sessions`))).toMatch(
        /^42501 /,
      )
    })
  })
  for (const role of ['anon', 'authenticated', 'service_role'] as const) {
    const code = await rolledBack(sql, (tx) =>
      outcome(as(tx, role, (inner) => inner`select public.custom_access_token_hook('{}')`)),
    )
    expect(code, role).toMatch(/^42501 /)
  }
})

test('a new session starts in the home organization with the role held there', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    expect(member.claims).toMatchObject({
      organization_id: owner.organizationId,
      organization_role: 'member',
    })
  })
})

test('an account without a membership gets a token without an organization', async () => {
  await rolledBack(sql, async (tx) => {
    const { claims } = await addAccount(tx)
    expect(claims).not.toHaveProperty('organization_id')
    expect(claims).not.toHaveProperty('organization_role')
  })
})

test('claims of ours that come in are replaced or dropped, never passed on', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const stranger = await addAccount(tx)
    const event = {
      user_id: stranger.id,
      authentication_method: 'password',
      claims: {
        sub: stranger.id,
        session_id: stranger.sessionId,
        organization_id: owner.organizationId,
        organization_role: 'owner',
      },
    }
    const [row] = await tx`select public.custom_access_token_hook(${tx.json(event)}) as result`
    expect((row?.result as { claims: unknown }).claims).toEqual({
      sub: stranger.id,
      session_id: stranger.sessionId,
    })
  })
})

test('a suspended account and a revoked session get no token', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await tx`update public.users set is_active = false where id = ${owner.id}`
    await expect(refresh(tx, owner)).rejects.toThrow('account_suspended')
    await tx`update public.users set is_active = true where id = ${owner.id}`
    await tx`update public.user_sessions set revoked_at = now() where id = ${owner.sessionId}`
    await expect(refresh(tx, owner)).rejects.toThrow('session_revoked')
  })
})

test('a session of a suspended organization moves home, or nowhere', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const other = await addOrganization(tx, `second-${owner.id.slice(0, 20)}`)
    await tx`
      insert into client_mgmt.client_users (organization_id, user_id, role)
      values (${other}, ${owner.id}, 'member')`
    await as(tx, owner, (inner) => inner`select public.switch_organization(${other})`)
    const there = await refresh(tx, owner)
    expect(there.claims.organization_id).toBe(other)

    await tx`update public.organizations set is_active = false where id = ${other}`
    const home = await refresh(tx, there)
    expect(home.claims.organization_id).toBe(owner.organizationId)

    await tx`update public.organizations set is_active = false where id = ${owner.organizationId}`
    expect((await refresh(tx, home)).claims).not.toHaveProperty('organization_id')
  })
})

test('a refresh keeps the session where it is and is no sign-in', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await tx`update public.users set last_login_at = null where id = ${owner.id}`
    await refresh(tx, owner)
    const [row] = await tx`select last_login_at from public.users where id = ${owner.id}`
    expect(row?.last_login_at).toBeNull()
    await signIn(tx, owner)
    const [after] = await tx`select last_login_at from public.users where id = ${owner.id}`
    expect(after?.last_login_at).toBeInstanceOf(Date)
  })
})

const rowsOf = {
  organization: (tx: TransactionSql, { organizationId }: Member) =>
    tx`select 1 from public.organizations where id = ${organizationId} for update`,
  membership: (tx: TransactionSql, { id }: Member) =>
    tx`select 1 from client_mgmt.client_users where user_id = ${id} for update`,
  account: (tx: TransactionSql, { id }: Member) =>
    tx`select 1 from public.users where id = ${id} for update`,
  session: (tx: TransactionSql, { sessionId }: Member) =>
    tx`select 1 from public.user_sessions where id = ${sessionId} for update`,
}

test.each(Object.entries(rowsOf))(
  'a session gets its token within the 2 s of Auth while another transaction holds the %s',
  async (row, lock) => {
    const owner = await sql.begin((tx) => addOwner(tx))
    await sql.begin(async (holder) => {
      await lock(holder, owner)
      const within2s = <Result>(work: (tx: TransactionSql) => Promise<Result>) =>
        sql.begin(async (tx) => {
          await tx`set local statement_timeout = '2s'`
          return work(tx)
        })
      for (const method of ['token_refresh', 'password']) {
        const { claims } = await within2s((tx) => signIn(tx, owner, method))
        expect(claims.organization_id).toBe(owner.organizationId)
      }
      // Another device has no row yet: it needs the locks, and is told to come again.
      const device = within2s((tx) => addDevice(tx, owner))
      if (row === 'session') await device
      else await expect(device).rejects.toThrow('account_busy')
    })
    const { claims } = await sql.begin((tx) => addDevice(tx, owner))
    expect(claims.organization_id).toBe(owner.organizationId)
  },
)

test('ten devices of one person can sign in at once, in turns', async () => {
  const owner = await sql.begin((tx) => addOwner(tx))
  const untilSignedIn = async (): Promise<Member> => {
    try {
      return await sql.begin((tx) => addDevice(tx, owner))
    } catch (error) {
      if (!(error instanceof Error) || error.message !== 'account_busy') throw error
      return untilSignedIn()
    }
  }
  const devices = await Promise.all(Array.from({ length: 10 }, untilSignedIn))
  expect(devices.map((device) => device.claims.organization_id)).toEqual(
    Array.from({ length: 10 }, () => owner.organizationId),
  )
})
