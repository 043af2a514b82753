import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addOwner, as, type Member, outcome } from '../../support/people/tenants.ts'
import { actAsOwner, connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const tables = [
  'public.organizations',
  'public.users',
  'public.user_sessions',
  'client_mgmt.client_users',
  'public.agents',
  'public.audit_logs',
  'public.system_prompts',
]

/** Rows seen in all the tables by someone whose claims are this text. */
async function rowsSeen(tx: TransactionSql, claims: string): Promise<number> {
  let rows = 0
  await tx.savepoint(async (inner) => {
    await inner`select set_config('role', 'authenticated', true),
      set_config('request.jwt.claims', ${claims}, true)`
    for (const table of tables) rows += (await inner.unsafe(`select 1 from ${table}`)).length
    await actAsOwner(inner)
  })
  return rows
}

test('a true token sees rows, so that the refusals below mean something', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    expect(await rowsSeen(tx, JSON.stringify(owner.claims))).toBeGreaterThan(5)
  })
})

const strange = (owner: Member): fc.Arbitrary<unknown> =>
  fc.oneof(
    fc.constantFrom(
      ...[null, true, 0, -1, 1.5, 1e30, '', ' ', '0', '-1', `${owner.organizationId} `],
      ...[`0${owner.organizationId}`, `+${owner.organizationId}`, `${owner.organizationId}.0`],
      ...[[owner.organizationId], { id: owner.organizationId }, '9'.repeat(19), '9'.repeat(5000)],
      ...[owner.id.replaceAll('-', ''), `{${owner.id}}`, `${owner.id}\n`, [owner.id], '٣'],
    ),
    fc.string({ maxLength: 60 }),
    fc.jsonValue({ maxDepth: 2 }),
  )

test('a token with one malformed claim sees no row and causes no error', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const claim = fc.constantFrom('organization_id', 'session_id')
    await fc.assert(
      fc.asyncProperty(claim, strange(owner), async (name, value) => {
        const claims = { ...owner.claims, [name]: value }
        // Only the person's own account needs no organization, and that needs the session.
        const own = name === 'organization_id' ? 1 : 0
        fc.pre(![owner.claims[name], JSON.stringify(owner.claims[name])].includes(value))
        expect(await rowsSeen(tx, JSON.stringify(claims))).toBe(own)
      }),
      { numRuns: 150 },
    )
    for (const sub of [null, '', 'x', [owner.id], { sub: owner.id }, randomUUID()]) {
      expect(await rowsSeen(tx, JSON.stringify({ ...owner.claims, sub }))).toBe(0)
    }
  })
})

test('claims that are not an object, or that jsonb cannot hold, see no row and cause no error', async () => {
  await rolledBack(sql, async (tx) => {
    const { claims } = await addOwner(tx)
    const json = JSON.stringify(claims)
    const withMember = (member: string) => `${json.slice(0, -1)},${member}}`
    for (const text of [
      ...['', '{}', '[]', 'null', '"x"', '1', 'not json', '{', '\\'],
      withMember('"x":"\\u0000"'),
      withMember('"x":"\\ud800"'),
      withMember('"x":1e999999'),
      withMember(`"x":${'['.repeat(20_000)}${']'.repeat(20_000)}`),
      `[${json}]`,
      JSON.stringify(json),
    ]) {
      expect(await rowsSeen(tx, text), text.slice(0, 60)).toBe(0)
    }
    // Size alone is no reason to refuse.
    expect(await rowsSeen(tx, withMember(`"x":"${'y'.repeat(1_000_000)}"`))).toBeGreaterThan(5)
  })
})

test('claims without a readable user open no RPC', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    for (const claims of [{}, { sub: 'x' }, { ...owner.claims, sub: '\u0000' }]) {
      for (const call of [
        `select public.verify_audit_chain(${owner.organizationId})`,
        `select public.export_audit_log()`,
        `select public.create_organization('X', 'x-y-z')`,
        `select public.accept_invitation('x')`,
        `select public.platform_organizations()`,
      ]) {
        const code = await outcome(as(tx, claims, (inner) => inner.unsafe(call)))
        expect(code, call).toMatch(/^42501 (no_organization|permission_denied)$/)
      }
    }
  })
})

test('a foreign session, organization or user in an otherwise true token sees nothing', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const other = await addOwner(tx)
    for (const name of ['organization_id', 'session_id', 'sub'] as const) {
      const claims = { ...owner.claims, [name]: other.claims[name] }
      const rows = await as(tx, claims, (inner) => inner`select id from public.organizations`)
      expect(rows, name).toEqual([])
    }
  })
})

test('the check is one index lookup per statement, however many rows there are', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const scansOf = async () => {
      const [row] = await tx<{ index: number; sequential: number }[]>`
        select sum(pg_stat_get_xact_numscans(i.indexrelid))::integer as index,
          pg_stat_get_xact_numscans(i.indrelid)::integer as sequential
        from pg_index i where i.indrelid = 'public.user_sessions'::regclass group by i.indrelid`
      return row ?? { index: NaN, sequential: NaN }
    }
    await tx`
      insert into client_mgmt.projects (organization_id, name)
      select ${owner.organizationId}, 'p' || n from generate_series(1, 500) n`
    // The connection may hold a plan from when user_sessions had few rows: a scan.
    await tx`set local enable_seqscan = off`
    await tx`discard plans`
    const before = await scansOf()
    const rows = await as(tx, owner, (inner) => inner`select id from client_mgmt.projects`)
    const after = await scansOf()
    expect(rows).toHaveLength(500)
    expect(after.index - before.index).toBe(1)
    expect(after.sequential - before.sequential).toBe(0)
  })
})
