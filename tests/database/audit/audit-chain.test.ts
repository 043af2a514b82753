import type { Sql, TransactionSql } from 'postgres'
import { beforeAll, expect, test } from 'vitest'
import {
  addMember,
  addOwner,
  as,
  committedAs,
  type Member,
  refusal,
} from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
let owner: Member
let length: number

beforeAll(async () => {
  owner = await sql.begin((tx) => addOwner(tx))
  for (const name of ['One', 'Two', 'Three', 'Four', 'Five']) {
    await committedAs(sql, owner, (tx) => tx`update public.organizations set name = ${name}`)
  }
  length = (await verify(sql)).rows_checked
})

interface Verdict {
  valid: boolean
  rows_checked: number
  first_invalid_sequence: number | null
  head_hash: string
}

async function verify(tx: Sql | TransactionSql): Promise<Verdict> {
  const [row] = await tx<Verdict[]>`
    select valid, rows_checked::integer, first_invalid_sequence::integer, head_hash
    from public.verify_audit_chain(${owner.organizationId})`
  if (row === undefined) throw new Error('no verdict')
  return row
}

/** As the database owner who switched the triggers off; nothing of it stays. */
function tampered<Result>(
  statements: string[],
  fn: (tx: TransactionSql) => Promise<Result>,
): Promise<Result> {
  return rolledBack(sql, async (tx) => {
    await tx`alter table public.audit_logs disable trigger user`
    for (const statement of statements) await tx.unsafe(statement)
    return fn(tx)
  })
}

const rows = (where: string) => `organization_id = ${owner.organizationId} and ${where}`

test('an untouched chain is valid, with its length and head', async () => {
  expect(length).toBeGreaterThanOrEqual(5)
  const verdict = await verify(sql)
  expect(verdict).toMatchObject({ valid: true, first_invalid_sequence: null })
  const [row] = await sql`
    select encode(hash, 'hex') as hash from public.audit_logs
    where organization_id = ${owner.organizationId} order by sequence desc limit 1`
  expect(verdict.head_hash).toBe(row?.hash)
})

test('any edited column shows, at its row', async () => {
  const edits = {
    actor: `'platform_admin'`,
    user_id: `gen_random_uuid()`,
    action: `'nothing.happened'`,
    resource_type: `'other'`,
    resource_id: `'999'`,
    details: `'{}'`,
    '"timestamp"': `"timestamp" + interval '1 microsecond'`,
    ip_address: `'10.0.0.1'`,
    user_agent: `'curl'`,
    success: 'false',
    error_message: `'none'`,
    payload: `payload || ' '`,
    previous_hash: `sha256('')`,
    hash: `sha256('')`,
  }
  const columns = await sql<{ name: string }[]>`
    select quote_ident(attname) as name from pg_attribute
    where attrelid = 'public.audit_logs'::regclass and attnum > 0 and not attisdropped`
  const apart = ['id', 'organization_id', 'sequence']
  expect(Object.keys(edits).sort()).toEqual(
    columns
      .map(({ name }) => name)
      .filter((name) => !apart.includes(name))
      .sort(),
  )
  for (const [column, value] of Object.entries(edits)) {
    const statement = `update public.audit_logs set ${column} = ${value} where ${rows('sequence = 3')}`
    const verdict = await tampered([statement], verify)
    expect(verdict, column).toMatchObject({ valid: false, first_invalid_sequence: 3 })
  }
})

test('a forged actor shows even when its own hash was computed anew', async () => {
  const forge = `
    update public.audit_logs set user_id = '00000000-0000-4000-8000-000000000000',
      payload = jsonb_set(payload::jsonb, '{user_id}', '"00000000-0000-4000-8000-000000000000"')::text
    where ${rows('sequence = 3')}`
  const rehash = `
    update public.audit_logs set hash = sha256(previous_hash || convert_to(payload, 'UTF8'))
    where ${rows('sequence = 3')}`
  expect(await tampered([forge], verify)).toMatchObject({ first_invalid_sequence: 3 })
  expect(await tampered([forge, rehash], verify)).toMatchObject({
    valid: false,
    first_invalid_sequence: 4,
  })
})

test('deletion, insertion, a change of order and a cut tail show', async () => {
  const swap = `
    update public.audit_logs set sequence = case sequence when 2 then 1003 else 1002 end
    where ${rows('sequence in (2, 3)')};
    update public.audit_logs set sequence = sequence - 1000 where ${rows('sequence > 1000')}`
  const copy = `
    insert into public.audit_logs
      (organization_id, sequence, actor, action, resource_type, payload, previous_hash, hash)
    select organization_id, ${length + 1}, actor, action, resource_type, payload, hash,
      sha256(hash || convert_to(payload, 'UTF8'))
    from public.audit_logs where ${rows(`sequence = ${length}`)}`
  const attacks: [string, number][] = [
    [`delete from public.audit_logs where ${rows('sequence = 1')}`, 1],
    [`delete from public.audit_logs where ${rows('sequence = 3')}`, 3],
    [`delete from public.audit_logs where ${rows(`sequence = ${length}`)}`, length],
    [`delete from public.audit_logs where ${rows('sequence > 2')}`, 3],
    [`delete from public.audit_logs where ${rows('true')}`, 1],
    [swap, 2],
    [copy, length + 1],
    [`delete from private.audit_heads where ${rows('true')}`, length + 1],
  ]
  for (const [attack, sequence] of attacks) {
    const verdict = await tampered([attack], verify)
    expect(verdict, attack).toMatchObject({ valid: false, first_invalid_sequence: sequence })
  }
})

test('a chain rewritten with its head shows against the head that was recorded', async () => {
  const recorded = (await verify(sql)).head_hash
  const verdict = await tampered(
    [
      `delete from public.audit_logs where ${rows(`sequence = ${length}`)}`,
      `update private.audit_heads h set sequence = a.sequence, hash = a.hash
       from public.audit_logs a
       where a.organization_id = h.organization_id
         and a.organization_id = ${owner.organizationId} and a.sequence = ${length - 1}`,
    ],
    verify,
  )
  expect(verdict).toMatchObject({ valid: true, rows_checked: length - 1 })
  expect(verdict.head_hash).not.toBe(recorded)
})

test('the verdict does not depend on the time zone or date style of the session', async () => {
  for (const zone of ['UTC', 'Asia/Kathmandu', 'America/St_Johns', 'Pacific/Apia']) {
    await rolledBack(sql, async (tx) => {
      await tx`select set_config('timezone', ${zone}, true), set_config('datestyle', 'SQL, DMY', true)`
      await as(tx, owner, (t) => t`update public.organizations set name = ${zone}`)
      expect(await verify(tx), zone).toMatchObject({ valid: true, rows_checked: length + 1 })
    })
  }
})

test('one hundred concurrent changes make one unbroken chain', async () => {
  const fresh = await sql.begin((tx) => addOwner(tx))
  const people = await sql.begin((tx) =>
    Promise.all(Array.from({ length: 10 }, () => addMember(tx, fresh.organizationId, 'admin'))),
  )
  const [before] = await sql`
    select count(*)::integer as events from public.audit_logs
    where organization_id = ${fresh.organizationId}`
  await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      committedAs(
        sql,
        people[n % 10] ?? fresh,
        (tx) => tx`insert into client_mgmt.prompts (name, template) values (${`p${n}`}, 'x')`,
      ),
    ),
  )
  const [row] = await sql`
    select valid, rows_checked::integer from public.verify_audit_chain(${fresh.organizationId})`
  expect(row).toEqual({ valid: true, rows_checked: Number(before?.events) + 100 })
  const actors = await sql`
    select user_id, count(*)::integer as events from public.audit_logs
    where organization_id = ${fresh.organizationId} and action = 'prompt.insert' group by user_id`
  expect(actors.map((entry) => Number(entry.events))).toEqual(Array(10).fill(10))
})

test('a chain is verified with audit.read in its organization, or with the secret key', async () => {
  await rolledBack(sql, async (tx) => {
    const member = await addMember(tx, owner.organizationId)
    const stranger = await addOwner(tx)
    const call = (t: TransactionSql) =>
      t`select valid from public.verify_audit_chain(${owner.organizationId})`
    expect(await as(tx, owner, call)).toEqual([{ valid: true }])
    expect(await as(tx, 'service_role', call)).toEqual([{ valid: true }])
    expect(await refusal(tx, member, call)).toBe('42501 permission_denied')
    expect(await refusal(tx, stranger, call)).toBe('42501 permission_denied')
    expect(await refusal(tx, 'anon', call)).toMatch(/^42501 /)
  })
})
