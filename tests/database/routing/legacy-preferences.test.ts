import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addOwner, refusal } from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

interface Moved {
  site: string | null
  preference: string | null
  outcome: string
  reason: string | null
}
const migrate = async (tx: TransactionSql) =>
  [...(await tx<Moved[]>`select * from public.migrate_site_preferences()`)].map(
    ({ site, preference, outcome, reason }) => [site, preference, outcome, reason],
  )

test('without a legacy table migrate_site_preferences() does nothing', async () => {
  await rolledBack(sql, async (tx) => {
    expect(await migrate(tx)).toEqual([])
  })
})

test('rows of site_preferences move once, and what has no place is reported', async () => {
  await rolledBack(sql, async (tx) => {
    const [owner, other] = [await addOwner(tx), await addOwner(tx)]
    const schema = `organization_${owner.organizationId}`
    const [{ slug } = { slug: '' }] = await tx<{ slug: string }[]>`
      select slug from public.organizations where id = ${other.organizationId}`
    await tx`
      create table public.site_preferences (site_name text, preference_name text, preference_value text)`
    await tx`
      insert into public.site_preferences values
        (${schema}, 'default_agent', 'droid'), (${slug}, 'default_agent', 'ccrouter'),
        (${slug}, 'default_model', 'no such model'), (${slug}, 'theme', 'dark'),
        ('elsewhere', 'default_agent', 'droid'), (${schema}, 'default_model', null)`
    const rows = await migrate(tx)
    const outcome = (site: string, name: string) =>
      rows.find(([at, preference]) => at === site && preference === name)?.slice(2)
    expect(rows).toHaveLength(6)
    expect(outcome(schema, 'default_agent')).toEqual(['moved', null])
    expect(outcome(slug, 'default_agent')).toEqual(['moved', null])
    expect(outcome(slug, 'default_model')).toEqual([
      'not_mapped',
      'default_model: the organization sees no model of this name.',
    ])
    expect(outcome(slug, 'theme')).toEqual(['not_mapped', 'No preference type has this name.'])
    expect(outcome('elsewhere', 'default_agent')?.[0]).toBe('not_mapped')
    expect(outcome(schema, 'default_model')).toEqual(['not_mapped', 'The row has no value.'])
    // A value that was changed since stays.
    await tx`
      update public.client_schema_preferences set preference_value = 'ccrouter'
      where organization_id = ${owner.organizationId}`
    const again = await migrate(tx)
    expect(again.filter(([, , one]) => one === 'moved')).toEqual([])
    expect(again.filter(([, , one]) => one === 'kept')).toHaveLength(2)
    const values = await tx<{ value: string }[]>`
      select preference_value as value from public.client_schema_preferences
      where organization_id in (${owner.organizationId}, ${other.organizationId})`
    expect(values.map(({ value }) => value)).toEqual(['ccrouter', 'ccrouter'])
  })
})

test('no API role may run migrate_site_preferences()', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    for (const actor of [owner, 'anon', 'service_role'] as const) {
      const run = (t: TransactionSql) => t`select * from public.migrate_site_preferences()`
      expect(await refusal(tx, actor, run)).toMatch(/^42501 /)
    }
  })
})
