import { createHash } from 'node:crypto'
import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addMember,
  addOwner,
  as,
  committedAs,
  type Member,
  outcome,
} from '../support/people/tenants.ts'
import { refusedWith } from '../support/rows/budgets.ts'
import { rolledBack } from '../support/stack/database.ts'
import { ownDatabase } from '../support/stack/own-database.ts'

// Of its own, because one test commits many changes at once.
const database = ownDatabase(24)

async function arrange(tx: TransactionSql, limits: Record<string, number>) {
  const owner = await addOwner(tx)
  await as(
    tx,
    'service_role',
    (t) => t`
      update client_mgmt.organization_limits set ${t(limits)}
      where organization_id = ${owner.organizationId}`,
  )
  // What founding wrote is of another minute.
  await later(tx)
  return owner
}

/** A minute passes. */
const later = (tx: TransactionSql) =>
  tx`update private.change_windows set started_at = started_at - interval '1 minute'`

const toggle = (person: Member) => (t: TransactionSql) => t`
  insert into public.system_prompts (scope, user_id, content)
  values ('user', ${person.id}, 'layer')`

const eventsOf = (tx: TransactionSql, { organizationId }: Member) => tx<
  { action: string; details: { before?: object; after?: object } }[]
>`
  select action, details from public.audit_logs
  where organization_id = ${organizationId} order by sequence`

test.each([
  ['user', { changes_per_minute_per_user: 3 }],
  ['organization', { changes_per_minute: 3 }],
] as const)(
  'so many changes of one %s are recorded in a minute; the next is refused and leaves nothing',
  async (scope, limits) => {
    await rolledBack(database(), async (tx) => {
      const owner = await arrange(tx, limits)
      const ben = await addMember(tx, owner.organizationId)
      for (let n = 0; n < 3; n++) await as(tx, owner, toggle(owner))
      const before = await eventsOf(tx, owner)
      const { message, hint } = await refusedWith(as(tx, owner, toggle(owner)))
      expect(message).toBe('rate_limited')
      expect(hint).toEqual({
        limit: 'changes_per_minute',
        scope,
        allowed: 3,
        retry_after: expect.any(Number) as number,
      })
      expect(hint['retry_after']).toBeGreaterThanOrEqual(1)
      expect(hint['retry_after']).toBeLessThanOrEqual(60)
      expect(await eventsOf(tx, owner)).toEqual(before)
      expect(
        await tx`select 1 from public.system_prompts where user_id = ${owner.id}`,
      ).toHaveLength(3)

      expect(await outcome(as(tx, ben, toggle(ben)))).toBe(
        scope === 'user' ? 'allowed' : 'PT429 rate_limited',
      )
      const other = await arrange(tx, {
        changes_per_minute: 3,
      })
      await as(tx, other, toggle(other))

      await later(tx)
      for (let n = 0; n < 3; n++) await as(tx, owner, toggle(owner))
      expect(await outcome(as(tx, owner, toggle(owner)))).toBe('PT429 rate_limited')
    })
  },
)

test.each(['changes_per_minute', 'changes_per_minute_per_user'])(
  'of 24 at once exactly the 7 that %s lets happen are recorded',
  async (limit) => {
    const sql = database()
    const owner = await sql.begin((tx) => arrange(tx, { [limit]: 7 }))
    const before = await sql.begin((tx) => eventsOf(tx, owner))
    const answers = await Promise.all(
      Array.from({ length: 24 }, () => outcome(committedAs(sql, owner, toggle(owner)))),
    )
    expect(answers.filter((answer) => answer === 'allowed')).toHaveLength(7)
    expect(answers.filter((answer) => answer === 'PT429 rate_limited')).toHaveLength(17)
    expect(await sql.begin((tx) => eventsOf(tx, owner))).toHaveLength(before.length + 7)
  },
)

test('what the secret key does for a person counts as the person’s; what it does itself does not', async () => {
  await rolledBack(database(), async (tx) => {
    const owner = await arrange(tx, { changes_per_minute_per_user: 2 })
    const setClient = (t: TransactionSql) => t`
      select public.set_oauth_client(${owner.organizationId}, ${owner.id}, 'https://as.example', 'one')`
    await as(tx, 'service_role', setClient)
    await as(tx, owner, toggle(owner))
    expect(await outcome(as(tx, 'service_role', setClient))).toBe('PT429 rate_limited')
    await as(
      tx,
      'service_role',
      (t) => t`select public.log_audit_event(${owner.organizationId}, 'a', 'b')`,
    )
    await tx`
      insert into public.system_prompts (organization_id, scope, content)
      values (${owner.organizationId}, 'organization', 'of the database owner')`
  })
})

test('a value of more than 1 KiB is recorded as its hash and length', async () => {
  await rolledBack(database(), async (tx) => {
    const owner = await addOwner(tx)
    const [short, long, longer] = ['s'.repeat(1000), 'l'.repeat(60_000), 'm'.repeat(60_000)]
    const set = (template: string) => (t: TransactionSql) =>
      t`update client_mgmt.prompts set template = ${template} where name = 'a'`
    await as(
      tx,
      owner,
      (t) => t`insert into client_mgmt.prompts (name, template) values ('a', ${long})`,
    )
    await as(tx, owner, set(longer))
    await as(tx, owner, set(short))
    const digest = (text: string) => ({
      sha256: createHash('sha256').update(JSON.stringify(text)).digest('hex'),
      bytes: text.length + 2,
    })
    const events = (await eventsOf(tx, owner)).filter(({ action }) => action.startsWith('prompt.'))
    expect(events).toMatchObject([
      { details: { after: { name: 'a', template: digest(long) } } },
      { details: { before: { template: digest(long) }, after: { template: digest(longer) } } },
      { details: { before: { template: digest(longer) }, after: { template: short } } },
    ])
    expect(JSON.stringify(events).length).toBeLessThan(4096)
  })
})

test('a client of an issuer that gets another secret is an event; one that is sealed anew is none', async () => {
  await rolledBack(database(), async (tx) => {
    const owner = await addOwner(tx)
    const sealed = (letter: string) => `v1.key.${letter.repeat(20)}.${letter.repeat(20)}`
    const store = (secret: string) => (t: TransactionSql) => t`
      select public.set_oauth_client(
        ${owner.organizationId}, ${owner.id}, 'https://as.example', 'one', ${secret})`
    await as(tx, 'service_role', store(sealed('a')))
    await as(tx, 'service_role', store(sealed('b')))
    await as(
      tx,
      'service_role',
      (t) => t`
        select public.reseal_value('private.oauth_client_secrets', ${owner.organizationId},
          'preregistered https://as.example one', 'client_secret', ${sealed('b')}, ${sealed('c')})`,
    )
    const [row] = await tx`
      select client_secret from private.oauth_client_secrets where organization_id = ${owner.organizationId}`
    expect(row?.['client_secret']).toBe(sealed('c'))
    const events = (await eventsOf(tx, owner)).filter(({ action }) =>
      action.startsWith('oauth_client.'),
    )
    expect(events).toMatchObject([
      { action: 'oauth_client.insert' },
      {
        action: 'oauth_client.update',
        details: { after: { registered_at: expect.any(String) as string } },
      },
    ])
    expect(events).toHaveLength(2)
  })
})
