import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  type Actor,
  addAccount,
  addDevice,
  addMember,
  addOwner,
  addPlatformAdmin,
  as,
  committedAs,
  join,
  type Member,
  outcome,
  refusal,
} from '../../support/people/tenants.ts'
import { addConnection } from '../../support/rows/mcp-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const sealed = 'v1.key.nonce.ciphertext'

interface Event {
  action: string
  actor: string
  user_id: string | null
  details: unknown
}

const eventsOf = (tx: TransactionSql, organizationId: number) => tx<Event[]>`
  select action, actor, user_id, details from public.audit_logs
  where organization_id = ${organizationId} order by sequence`

/** The events that a step adds to the organization's log. */
async function added(tx: TransactionSql, owner: Member, step: () => Promise<unknown>) {
  const before = (await eventsOf(tx, owner.organizationId)).length
  await step()
  return (await eventsOf(tx, owner.organizationId)).slice(before)
}

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

test('joining is recorded as the guest’s act: the invitation used and the membership', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const guest = await addAccount(tx)
    const [row] = await as(
      tx,
      owner,
      (t) => t<{ token: string }[]>`
        select (public.invite_member(${guest.email})).token`,
    )
    const events = await added(tx, owner, () =>
      as(tx, guest, (t) => t`select public.accept_invitation(${row?.token ?? ''})`),
    )
    expect(events.map(({ action, user_id }) => [action, user_id])).toEqual([
      ['invitation.update', guest.id],
      ['membership.insert', guest.id],
    ])
  })
})

test('connections are recorded without their tokens, refreshes not at all', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const tokens = ['v1.k.n.AAAA', 'v1.k.n.BBBB', 'v1.k.n.CCCC'] as const
    const events = await added(tx, owner, async () => {
      const id = await addConnection(tx, owner, {
        access_token: tokens[0],
        refresh_token: tokens[1],
      })
      await tx`update public.mcp_oauth_tokens set access_token = ${tokens[2]} where id = ${id}`
      await tx`update public.mcp_oauth_tokens set status = 'needs_reauthorization' where id = ${id}`
      await tx`delete from public.mcp_oauth_tokens where id = ${id}`
    })
    expect(events.map((event) => event.action)).toEqual([
      'mcp_configuration.insert',
      'mcp_connection.insert',
      'mcp_connection.update',
      'mcp_connection.delete',
    ])
    for (const token of tokens) expect(JSON.stringify(events)).not.toContain(token)
  })
})

test('an erasure is recorded in every organization of the account, without its data', async () => {
  // Committed in steps, as in life: the deletion meets rows of earlier transactions.
  const [one, two] = await sql.begin(
    async (tx) => [await addOwner(tx), await addOwner(tx)] as const,
  )
  const person = await sql.begin((tx) => addMember(tx, one.organizationId))
  const phone = await sql.begin((tx) => addDevice(tx, person))
  await sql.begin(async (tx) => {
    await tx`update public.users set display_name = 'Ada Lovelace' where id = ${person.id}`
    await join(tx, two.organizationId, person, 'admin')
    await as(tx, phone, (t) => t`select public.switch_organization(${two.organizationId})`)
  })
  await sql`delete from auth.users where id = ${person.id}`
  const sessions = await sql`select 1 from public.user_sessions where user_id = ${person.id}`
  expect(sessions).toHaveLength(0)
  for (const { organizationId } of [one, two]) {
    const events = await sql.begin((tx) => eventsOf(tx, organizationId))
    expect(events.map((event) => event.action)).toContain('account.erase')
    expect(JSON.stringify(events)).toContain(person.id)
    expect(JSON.stringify(events)).not.toContain('Lovelace')
    expect(JSON.stringify(events)).not.toContain(person.email)
  }
})

test('an account can be suspended and deleted in one transaction, grants and all', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const person = await addMember(tx, owner.organizationId)
    const admin = await addPlatformAdmin(tx)
    await as(
      tx,
      admin,
      (t) => t`select public.open_break_glass(${owner.organizationId}, 'ticket 4711, please')`,
    )
    for (const { id } of [person, admin]) {
      await tx`update public.users set is_active = false where id = ${id}`
      await tx`delete from auth.users where id = ${id}`
    }
    const left = await tx`
      select 1 from public.user_sessions where user_id in ${tx([person.id, admin.id])}`
    expect(left).toHaveLength(0)
  })
})

test('deleting an organization, as its database owner can, keeps its log', async () => {
  const owner = await sql.begin((tx) => addOwner(tx))
  await sql.begin((tx) => addMember(tx, owner.organizationId))
  await sql`delete from public.organizations where id = ${owner.organizationId}`
  const [row] = await sql`select valid from public.verify_audit_chain(${owner.organizationId})`
  expect(row?.valid).toBe(true)
  const events = await sql.begin((tx) => eventsOf(tx, owner.organizationId))
  expect(events.map((event) => event.action)).toContain('membership.delete')
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
