import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, outcome, refusal } from '../../support/people/tenants.ts'
import { type IssuedKey, keyWorks, makeKey } from '../../support/rows/api-keys.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const works = (tx: TransactionSql, key: string) => outcome(keyWorks(tx, key))
const refused = 'PT401 unauthorized'
const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString()

const rotate =
  (id: string, until: string | null = null, expires: string | null = null) =>
  async (tx: TransactionSql): Promise<IssuedKey> => {
    const [row] = await tx<{ issued: IssuedKey }[]>`
      select to_jsonb(public.rotate_api_key(${id}, ${until}::text::timestamptz, ${expires}::text::timestamptz)) as issued`
    if (row === undefined) throw new Error('rotate_api_key answered nothing')
    return row.issued
  }

test('a rotated key has a new secret; the old one works until the stated time', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const first = await as(tx, owner, makeKey())
    const second = await as(tx, owner, rotate(first.id, inHours(1)))
    expect(second.id).toBe(first.id)
    expect(second.key).not.toBe(first.key)
    expect([await works(tx, first.key), await works(tx, second.key)]).toEqual([
      'allowed',
      'allowed',
    ])
    const [row] = await as(tx, owner, (t) => t`select * from public.list_api_keys()`)
    expect(row).toMatchObject({ prefix: second.prefix, works: true })
    expect(row?.old_works_until).toEqual(new Date(second.old_works_until ?? ''))
    await tx`
      update private.api_key_secrets set works_until = now() - interval '1 second'
      where works_until is not null and api_key_id = ${first.id}`
    expect([await works(tx, first.key), await works(tx, second.key)]).toEqual([refused, 'allowed'])
  })
})

test('a rotation to now ends the old secret at once, and no later one prolongs it', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const first = await as(tx, owner, makeKey())
    const second = await as(tx, owner, rotate(first.id, '2020-01-01'))
    expect([await works(tx, first.key), await works(tx, second.key)]).toEqual([refused, 'allowed'])
    await as(tx, owner, rotate(first.id, inHours(1)))
    await as(tx, owner, rotate(first.id, inHours(600)))
    const rows = await tx`
      select extract(epoch from works_until - now()) / 3600 as hours from private.api_key_secrets
      where api_key_id = ${first.id} and works_until is not null order by 1`
    expect(rows.map(({ hours }) => Math.round(Number(hours)))).toEqual([1, 600])
  })
})

test('a key has at most three secrets that work', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { id } = await as(tx, owner, makeKey())
    for (let n = 0; n < 2; n++) await as(tx, owner, rotate(id))
    expect(await refusal(tx, owner, rotate(id))).toBe('PT409 too_many_api_keys')
    expect(await refusal(tx, owner, rotate(id, '2020-01-01'))).toBe('allowed')
    expect(await refusal(tx, owner, rotate(id))).toBe('allowed')
  })
})

test('only the member whose key it is rotates it, while it works', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const ben = await addMember(tx, owner.organizationId)
    const made = await as(tx, ben, makeKey())
    // A secret of a colleague's key would be the colleague.
    expect(await refusal(tx, owner, rotate(made.id))).toBe('PT404 api_key_not_found')
    expect(await refusal(tx, ben, rotate(made.id, inHours(31 * 24)))).toBe('22023 invalid_request')
    expect(await refusal(tx, ben, rotate(made.id, null, '2020-01-01'))).toBe(
      '22023 invalid_request',
    )
    expect(await refusal(tx, ben, rotate(made.id, null, 'infinity'))).toBe('22023 invalid_request')
    const longer = await as(tx, ben, rotate(made.id, null, inHours(24 * 300)))
    expect(Date.parse(longer.expires_at)).toBeGreaterThan(Date.parse(made.expires_at))
    await as(tx, ben, (t) => t`select public.revoke_api_key(${made.id})`)
    expect(await refusal(tx, ben, rotate(made.id))).toBe('PT404 api_key_not_found')
    expect(await works(tx, longer.key)).toBe(refused)
  })
})

test('the log says who made, rotated and revoked a key, and never how it reads', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const ben = await addMember(tx, owner.organizationId)
    const made = await as(tx, ben, makeKey())
    const next = await as(tx, ben, rotate(made.id))
    await keyWorks(tx, next.key)
    await as(tx, owner, (t) => t`select public.revoke_api_key(${made.id})`)
    await as(tx, owner, (t) => t`select public.revoke_api_key(${made.id})`)
    const events = await tx`
      select action, user_id, to_jsonb(a)::text as text from public.audit_logs a
      where organization_id = ${owner.organizationId} and resource_type = 'api_key' order by sequence`
    expect(events.map(({ action, user_id }) => [action as string, user_id as string])).toEqual([
      ['api_key.create', ben.id],
      ['api_key.rotate', ben.id],
      ['api_key.revoke', owner.id],
    ])
    const text = events.map((event) => event.text as string).join()
    expect(text).not.toContain(made.key)
    expect(text).not.toContain(next.key)
  })
})
