import fc from 'fast-check'
import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { type Account, addMember, addOwner, as, refusal } from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const ranks = ['member', 'admin', 'owner'] as const
const member = ['agents.invoke']
const admin = [
  ...member,
  ...['agents.manage', 'mcp.manage', 'prompts.manage', 'members.manage'],
  ...['audit.read', 'projects.manage'],
]
const owner = [...admin, 'billing.manage']
/** Design §3, written down again: what a role brings. */
const brings: Record<(typeof ranks)[number], string[]> = { member, admin, owner }
const everything = [...owner, 'content.read_all']

const setRole = (of: Account, role: string, permissions: string[] | null) => (tx: TransactionSql) =>
  tx`select to_jsonb(public.set_member_role(${of.id}, ${role}, ${permissions})) as result`

/** What the caller's token is worth, permission by permission. */
async function held(tx: TransactionSql, account: Account): Promise<string[]> {
  const rows = await as(
    tx,
    account,
    (inner) => inner<{ p: string }[]>`
      select p from unnest(${everything}::text[]) p where private.has_permission(p)`,
  )
  return rows.map((row) => row.p)
}

test('a role brings its permissions, what is added comes on top, and nothing else', async () => {
  await rolledBack(sql, async (tx) => {
    const founder = await addOwner(tx)
    for (const role of ranks) {
      const person = await addMember(tx, founder.organizationId, role)
      expect(new Set(await held(tx, person)), role).toEqual(new Set(brings[role]))
    }
    const added = await addMember(tx, founder.organizationId, 'member', ['billing.manage'])
    expect(new Set(await held(tx, added))).toEqual(new Set([...member, 'billing.manage']))
  })
})

test('whatever anyone tries to grant, nobody ends with more than the granter held', async () => {
  await rolledBack(sql, async (tx) => {
    const founder = await addOwner(tx)
    const attempt = fc.record({
      granter: fc.constantFrom('admin', 'member'),
      granterHas: fc.subarray(everything),
      target: fc.constantFrom(...ranks),
      targetHas: fc.subarray(everything),
      self: fc.boolean(),
      role: fc.constantFrom(...ranks, 'superuser', ''),
      permissions: fc.option(fc.subarray([...everything, 'root'])),
    })
    let allowed = 0
    await fc.assert(
      fc.asyncProperty(attempt, async (a) => {
        await tx.savepoint(async (inner) => {
          const id = founder.organizationId
          const granter = await addMember(inner, id, a.granter, a.granterHas)
          const target = a.self ? granter : await addMember(inner, id, a.target, a.targetHas)
          const had = new Set([...(await held(inner, granter)), ...(await held(inner, target))])
          const result = await refusal(inner, granter, setRole(target, a.role, a.permissions))
          const gained = (await held(inner, target)).filter((p) => !had.has(p))
          expect(gained).toEqual([])
          if (result === 'allowed') allowed++
          else expect(result).toMatch(/^(42501 permission_denied|22023 invalid_request)$/)
        })
      }),
      { numRuns: 60 },
    )
    expect(allowed).toBeGreaterThan(0)
  })
})

test('an owner may grant content.read_all, which no role brings; an administrator may not', async () => {
  await rolledBack(sql, async (tx) => {
    const founder = await addOwner(tx)
    const administrator = await addMember(tx, founder.organizationId, 'admin')
    const person = await addMember(tx, founder.organizationId)
    const grant = setRole(person, 'member', ['content.read_all'])
    expect(await refusal(tx, administrator, grant)).toBe('42501 permission_denied')
    expect(await held(tx, person)).toEqual(member)
    const [row] = await as(tx, founder, grant)
    expect(row?.result).toEqual({
      user_id: person.id,
      role: 'member',
      permissions: ['content.read_all'],
    })
    expect(new Set(await held(tx, person))).toEqual(new Set([...member, 'content.read_all']))
  })
})

test('a demotion takes what the role brought and leaves what was added by name', async () => {
  await rolledBack(sql, async (tx) => {
    const founder = await addOwner(tx)
    const person = await addMember(tx, founder.organizationId, 'admin', ['billing.manage'])
    await as(tx, founder, setRole(person, 'member', null))
    expect(new Set(await held(tx, person))).toEqual(new Set([...member, 'billing.manage']))
    await as(tx, founder, setRole(person, 'member', []))
    expect(await held(tx, person)).toEqual(member)
  })
})

test('an administrator can demote someone who holds more than they do', async () => {
  await rolledBack(sql, async (tx) => {
    const founder = await addOwner(tx)
    const administrator = await addMember(tx, founder.organizationId, 'admin')
    const peer = await addMember(tx, founder.organizationId, 'admin', ['content.read_all'])
    await as(tx, administrator, setRole(peer, 'member', []))
    expect(await held(tx, peer)).toEqual(member)
  })
})

test('unknown roles and permissions are refused for the owner too', async () => {
  await rolledBack(sql, async (tx) => {
    const founder = await addOwner(tx)
    const person = await addMember(tx, founder.organizationId)
    for (const [role, permissions] of [
      ['superuser', []],
      ['break_glass', []],
      [null, []],
      ['member', ['root']],
      ['member', [null]],
    ] as [string, string[]][]) {
      expect(await refusal(tx, founder, setRole(person, role, permissions))).toBe(
        '22023 invalid_request',
      )
    }
    expect(await held(tx, person)).toEqual(member)
  })
})
