import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  type Account,
  addAccount,
  addMember,
  addOwner,
  as,
  committedAs,
  join,
  type Member,
  outcome,
  refusal,
  signIn,
  untilSomeoneWaits,
} from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const setRole = (of: Account, role: string, permissions?: string[]) => (tx: TransactionSql) =>
  permissions === undefined
    ? tx`select to_jsonb(public.set_member_role(${of.id}, ${role})) as result`
    : tx`select to_jsonb(public.set_member_role(${of.id}, ${role}, ${permissions})) as result`
const remove = (of: Account) => (tx: TransactionSql) => tx`select public.remove_member(${of.id})`
const leave = (tx: TransactionSql) => tx`select public.leave_organization()`

async function membership(tx: TransactionSql, of: Member) {
  const [row] = await tx`
    select role, permissions, ended_at is null as active from client_mgmt.client_users
    where organization_id = ${of.organizationId} and user_id = ${of.id}`
  return row
}

test('removal takes effect on the member’s next statement: no rows, 42501 for writes', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId, 'admin', ['content.read_all'])
    const write = (inner: TransactionSql) =>
      inner`insert into client_mgmt.projects (name) values ('mine')`
    await as(tx, member, write)
    await as(tx, owner, remove(member))
    for (const table of ['public.organizations', 'public.agents', 'client_mgmt.client_users']) {
      const rows = await as(tx, member, (inner) => inner.unsafe(`select 1 from ${table}`))
      expect(rows, table).toEqual([])
    }
    expect(await refusal(tx, member, write)).toMatch(/^42501 /)
    expect(await refusal(tx, member, leave)).toBe('42501 no_organization')
    expect(await membership(tx, member)).toEqual({
      role: 'admin',
      permissions: [],
      active: false,
    })
  })
})

test('a demotion takes effect on the next statement', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const admin = await addMember(tx, owner.organizationId, 'admin')
    const invite = (inner: TransactionSql) =>
      inner`select public.invite_member('someone@example.com')`
    await as(tx, admin, invite)
    await as(tx, owner, setRole(admin, 'member'))
    expect(await refusal(tx, admin, invite)).toBe('42501 permission_denied')
    const audit = await as(tx, admin, (inner) => inner`select 1 from public.audit_logs`)
    expect(audit).toEqual([])
  })
})

test('only members.manage acts on members, and never on a higher rank', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const admin = await addMember(tx, owner.organizationId, 'admin')
    const helper = await addMember(tx, owner.organizationId, 'member', ['members.manage'])
    const member = await addMember(tx, owner.organizationId)
    const stranger = await addOwner(tx)
    const cases: [Account, Account, string][] = [
      [member, helper, '42501 permission_denied'],
      [member, member, '42501 permission_denied'],
      [helper, admin, '42501 permission_denied'],
      [admin, owner, '42501 permission_denied'],
      [stranger, member, 'PT404 member_not_found'],
      [owner, stranger, 'PT404 member_not_found'],
    ]
    for (const [actor, target, expected] of cases) {
      expect(await refusal(tx, actor, remove(target))).toBe(expected)
      expect(await refusal(tx, actor, setRole(target, 'member'))).toBe(expected)
    }
    expect(await refusal(tx, 'anon', remove(member))).toMatch(/^42501 /)
    expect(await membership(tx, owner)).toMatchObject({ role: 'owner', active: true })
    expect(await refusal(tx, helper, remove(member))).toBe('allowed')
    expect(await refusal(tx, admin, remove(helper))).toBe('allowed')
  })
})

test('nobody can write memberships but by the functions, service_role neither', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    for (const actor of [owner, member, 'service_role', 'anon'] as const) {
      for (const statement of [
        `update client_mgmt.client_users set role = 'owner'`,
        `update client_mgmt.client_users set permissions = '{content.read_all}'`,
        `delete from client_mgmt.client_users`,
        `insert into client_mgmt.client_users (organization_id, user_id, role)
         values (${owner.organizationId}, '${member.id}', 'owner')`,
      ]) {
        const code = await refusal(tx, actor, (inner) => inner.unsafe(statement))
        expect(code, statement).toMatch(/^42501 /)
      }
    }
    expect(await membership(tx, member)).toMatchObject({ role: 'member', permissions: [] })
  })
})

test('the last owner cannot leave, be removed or be demoted; with a second one they can', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await addMember(tx, owner.organizationId, 'admin')
    expect(await refusal(tx, owner, leave)).toBe('PT409 last_owner')
    expect(await refusal(tx, owner, remove(owner))).toBe('PT409 last_owner')
    expect(await refusal(tx, owner, setRole(owner, 'admin'))).toBe('PT409 last_owner')
    expect(await membership(tx, owner)).toMatchObject({ role: 'owner', active: true })
    const second = await addMember(tx, owner.organizationId, 'owner')
    expect(await refusal(tx, owner, leave)).toBe('allowed')
    expect(await membership(tx, owner)).toMatchObject({ active: false })
    expect(await refusal(tx, second, leave)).toBe('PT409 last_owner')
  })
})

test('of two owners who demote or remove each other at once, one stays', async () => {
  for (const act of [remove, (of: Account) => setRole(of, 'member')]) {
    const [one, two] = await sql.begin(async (tx) => {
      const owner = await addOwner(tx)
      return [owner, await addMember(tx, owner.organizationId, 'owner')] as const
    })
    const outcomes = await Promise.all([
      outcome(committedAs(sql, one, act(two))),
      outcome(committedAs(sql, two, act(one))),
    ])
    const rows = await sql`
      select 1 from client_mgmt.client_users
      where organization_id = ${one.organizationId} and role = 'owner' and ended_at is null`
    expect(rows).toHaveLength(1)
    expect(outcomes.filter((result) => result === 'allowed')).toHaveLength(1)
  }
})

test('of two owners who leave at once, one stays', async () => {
  const [one, two] = await sql.begin(async (tx) => {
    const owner = await addOwner(tx)
    return [owner, await addMember(tx, owner.organizationId, 'owner')] as const
  })
  const outcomes = await Promise.all(
    [one, two].map((actor) => outcome(committedAs(sql, actor, leave))),
  )
  expect(outcomes.sort()).toEqual(['PT409 last_owner', 'allowed'])
})

test('a person who is demoted while their own change waits cannot finish it', async () => {
  const [owner, admin, member] = await sql.begin(async (tx) => {
    const founder = await addOwner(tx)
    const rest = ['admin', 'member'].map((role) => addMember(tx, founder.organizationId, role))
    return [founder, ...(await Promise.all(rest))] as [Member, Member, Member]
  })
  let waiting: Promise<string> | undefined
  await sql.begin(async (tx) => {
    await as(tx, owner, setRole(admin, 'member'))
    waiting = outcome(committedAs(sql, admin, remove(member)))
    await untilSomeoneWaits(tx)
  })
  expect(await waiting).toBe('42501 permission_denied')
  await sql.begin(async (tx) => {
    expect(await membership(tx, member)).toMatchObject({ active: true })
  })
})

test('a person who keeps switching and signing in cannot make their own removal fail', async () => {
  const { owner, target } = await sql.begin(async (tx) => {
    const founder = await addOwner(tx)
    const elsewhere = await addOwner(tx)
    return {
      owner: founder,
      target: await join(tx, founder.organizationId, elsewhere, 'admin'),
    }
  })
  const home = Number((await signIn(sql, target)).claims.organization_id)
  const attempts = Array.from({ length: 25 }, (_, n) => [
    outcome(
      committedAs(
        sql,
        target,
        (tx) => tx`
          select public.switch_organization(${n % 2 === 0 ? owner.organizationId : home})`,
      ),
    ),
    outcome(committedAs(sql, owner, setRole(target, n % 2 === 0 ? 'member' : 'admin'))),
    outcome(sql.begin((tx) => signIn(tx, target, 'token_refresh'))),
  ]).flat()
  expect(new Set(await Promise.all(attempts))).toEqual(new Set(['allowed']))
})

test('leaving moves the home organization to one that is left, or to none', async () => {
  await rolledBack(sql, async (tx) => {
    const home = await addOwner(tx)
    const other = await addOwner(tx)
    const person = await addAccount(tx)
    const member = await join(tx, home.organizationId, person, 'member')
    await join(tx, other.organizationId, person, 'member')
    await as(tx, member, leave)
    const moved = await signIn(tx, member, 'token_refresh')
    expect(moved.claims.organization_id).toBe(other.organizationId)
    await as(tx, moved, leave)
    const none = await signIn(tx, moved, 'token_refresh')
    expect(none.claims).not.toHaveProperty('organization_id')
  })
})

test('the member list shows active members of the active organization to members only', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const gone = await addMember(tx, owner.organizationId)
    await as(tx, owner, remove(gone))
    const list = (inner: TransactionSql) => inner`select * from public.organization_members()`
    const rows = await as(tx, member, list)
    expect(new Set(rows.map((row) => String(row.email)))).toEqual(
      new Set([owner.email, member.email]),
    )
    expect(await as(tx, gone, list)).toEqual([])
    const users = await as(tx, member, (inner) => inner`select id from public.users`)
    expect(users.map((row) => String(row.id))).toEqual([member.id])
  })
})
