import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  type Actor,
  addMember,
  addOwner,
  as,
  committedAs,
  type Member,
  outcome,
  refusal,
} from '../../support/people/tenants.ts'
import { addConnection } from '../../support/rows/mcp-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'
import { added, eventsOf } from '../../support/rows/audit-rows.ts'

const sql = connectOwner()
const sealed = 'v1.key.nonce.ciphertext'

/** Changes by someone, as SQL, and the action each must leave. */
function changes(owner: Member, member: Member): [Actor | 'owner of the tables', string, string][] {
  const organization = owner.organizationId
  return [
    [owner, `select public.invite_member('someone@example.com')`, 'invitation.insert'],
    [
      owner,
      `select public.revoke_invitation(max(id)) from client_mgmt.invitations`,
      'invitation.update',
    ],
    [owner, `select public.set_member_role('${member.id}', 'admin')`, 'membership.update'],
    [owner, `update public.organizations set name = 'Renamed'`, 'organization.update'],
    [
      owner,
      `update client_mgmt.billing_accounts set billing_info = '{"vat":"AT1"}'`,
      'billing_account.update',
    ],
    [
      owner,
      `insert into public.system_prompts (scope, content) values ('organization', 'Be kind.')`,
      'system_prompt.insert',
    ],
    [
      owner,
      `update public.system_prompts set priority = 9 where scope = 'organization'`,
      'system_prompt.update',
    ],
    [
      owner,
      `delete from public.system_prompts where scope = 'organization'`,
      'system_prompt.delete',
    ],
    [owner, `insert into client_mgmt.prompts (name, template) values ('p', 't')`, 'prompt.insert'],
    [
      owner,
      `insert into public.mcp_configurations (user_id, name, type, endpoint)
       values (null, 'tools', 'http', 'https://tools.example')`,
      'mcp_configuration.insert',
    ],
    [owner, `update public.mcp_configurations set enabled = false`, 'mcp_configuration.update'],
    [owner, `delete from public.mcp_configurations`, 'mcp_configuration.delete'],
    [owner, `insert into public.agents (name, type) values ('own', 'openrouter')`, 'agent.insert'],
    [
      'service_role',
      `select public.store_provider_credential(
         ${organization}, '${owner.id}', 'openrouter', '${sealed}', 'abcd')`,
      'provider_credential.insert',
    ],
    [
      'service_role',
      `select public.store_provider_credential(
         ${organization}, '${owner.id}', 'openrouter', '${sealed}2', 'efgh')`,
      'provider_credential.update',
    ],
    [owner, `select public.remove_provider_credential('openrouter')`, 'provider_credential.delete'],
    [
      'owner of the tables',
      `insert into client_mgmt.budgets (organization_id, period, limit_usd)
       values (${organization}, 'day', 5)`,
      'budget.insert',
    ],
    [owner, `select * from public.export_audit_log()`, 'audit_log.export'],
    [owner, `select public.remove_member('${member.id}')`, 'membership.update'],
    [
      'service_role',
      `select public.log_audit_event(${organization}, 'backup.restore', 'backup')`,
      'backup.restore',
    ],
  ]
}

test('every change that matters leaves one event, made by whom the token says', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    for (const [actor, statement, action] of changes(owner, member)) {
      const run = (t: TransactionSql) => t.unsafe(statement)
      const events = await added(tx, owner, () =>
        actor === 'owner of the tables' ? run(tx) : as(tx, actor, run),
      )
      expect(
        events.map((event) => event.action),
        statement,
      ).toEqual([action])
      const expected =
        actor === owner
          ? { actor: 'user', user_id: owner.id }
          : { actor: actor === 'service_role' ? actor : 'database', user_id: null }
      expect(events[0], statement).toMatchObject(expected)
    }
  })
})

test('a change and its event are one: rolled back together, refused together', async () => {
  const owner = await sql.begin((tx) => addOwner(tx))
  const state = async () => {
    const [row] =
      await sql`select name from public.organizations where id = ${owner.organizationId}`
    const events = await sql.begin((tx) => eventsOf(tx, owner.organizationId))
    return { name: String(row?.name), events: events.length }
  }
  const before = await state()
  const rename = (tx: TransactionSql) => tx`update public.organizations set name = 'Renamed'`
  await rolledBack(sql, (tx) => as(tx, owner, rename))
  expect(await state()).toEqual(before)

  // Someone holds the head of the chain for too long: no event, so no change either.
  await sql.begin(async (tx) => {
    await tx`
      select 1 from private.audit_heads where organization_id = ${owner.organizationId} for update`
    const impatient = sql.begin(async (other) => {
      await other`set local lock_timeout = '50ms'`
      await as(other, owner, rename)
    })
    expect(await outcome(impatient)).toMatch(/^55P03 /)
  })
  expect(await state()).toEqual(before)
  await committedAs(sql, owner, rename)
  expect(await state()).toEqual({ name: 'Renamed', events: before.events + 1 })
})

test('what an organization shares is in the log as it was and as it is', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const [one, two] = ['https://one.example/', 'https://two.example/']
    const events = await added(tx, owner, () =>
      as(tx, owner, async (t) => {
        await t`
          insert into public.mcp_configurations (user_id, name, type, endpoint)
          values (null, 'shared', 'http', ${one})`
        await t`update public.mcp_configurations set endpoint = ${two}`
      }),
    )
    expect(events[1]?.details).toEqual({ before: { endpoint: one }, after: { endpoint: two } })
  })
})

test('secrets and private content never enter the log', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const canary = 'canary-4711'
    await as(tx, owner, async (t) => {
      await t`
        insert into public.system_prompts (scope, user_id, content)
        values ('user', ${owner.id}, ${canary})`
      await t`update public.system_prompts set content = ${`${canary} again`}`
      await t`
        insert into public.mcp_configurations (name, type, command, args, env)
        values ('own', 'stdio', 'run', ${t.json([canary])}, ${t.json({ KEY: canary })})`
      await t`update client_mgmt.billing_accounts set billing_info = ${t.json({ iban: canary })}`
      await t`insert into public.chat_sessions (title) values (${canary})`
    })
    await as(
      tx,
      'service_role',
      (t) => t`
        select public.store_provider_credential(
          ${owner.organizationId}, ${owner.id}, 'openrouter', ${`v1.k.n.${canary}`}, '4711')`,
    )
    // What nobody else may read of a personal row, the readers of the log may not either.
    await as(tx, owner, async (t) => {
      await t`
        insert into public.mcp_configurations (name, type, endpoint)
        values ('personal', 'http', ${`https://mcp.example/?key=${canary}`})`
      await t`
        update public.mcp_configurations set endpoint = ${`https://mcp.example/?k=${canary}`}
        where name = 'personal'`
      await t`
        insert into public.system_prompts (scope, user_id, content, template, variables)
        values ('user', ${owner.id}, '{{a}}', true, ${t.json({ a: { type: 'text', value: canary } })})`
    })
    await addConnection(tx, owner, { endpoint: `https://mcp.example/?key=${canary}` })
    const events = await eventsOf(tx, owner.organizationId)
    expect(events.map((event) => event.action)).toContain('billing_account.update')
    expect(events.map((event) => event.action)).toContain('mcp_connection.insert')
    expect(JSON.stringify(events)).not.toContain(canary)
  })
})

test('the log is read with audit.read in its organization, and written by nobody', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const admin = await addMember(tx, owner.organizationId, 'admin')
    const member = await addMember(tx, owner.organizationId)
    const stranger = await addOwner(tx)
    const read = (t: TransactionSql) =>
      t`select 1 from public.audit_logs where organization_id = ${owner.organizationId}`
    expect((await as(tx, admin, read)).length).toBeGreaterThan(0)
    for (const actor of [member, stranger]) expect(await as(tx, actor, read)).toEqual([])
    expect(await refusal(tx, 'anon', read)).toMatch(/^42501 /)

    const statements = [
      `update public.audit_logs set actor = 'someone'`,
      `delete from public.audit_logs`,
      `truncate public.audit_logs`,
      `insert into public.audit_logs
         (organization_id, sequence, actor, action, resource_type, payload, previous_hash, hash)
       values (${owner.organizationId}, 99, 'x', 'x', 'x', '{}', '', '')`,
      `select private.write_audit_event(${owner.organizationId}, 'x', 'x', 'x')`,
      `update private.audit_heads set sequence = 0`,
    ]
    for (const statement of statements) {
      for (const actor of [owner, 'service_role', 'anon'] as const) {
        expect(await refusal(tx, actor, (t) => t.unsafe(statement)), statement).toMatch(/^42501 /)
      }
    }
    const log = `select public.log_audit_event(${owner.organizationId}, 'x', 'x')`
    expect(await refusal(tx, owner, (t) => t.unsafe(log))).toMatch(/^42501 /)
    for (const statement of statements.slice(0, 3)) {
      const asOwner = await outcome(tx.savepoint((t) => t.unsafe(statement)))
      expect(asOwner, statement).toBe('42501 append_only')
    }
  })
})
