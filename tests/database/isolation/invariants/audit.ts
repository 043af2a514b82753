import { actorNamed, ignoreUndo, Undo, wrong, type Check } from './scene.ts'

/** The audit log, and when rows say that they changed. */
export const audit = {
  'an audit chain shows an edit, a deletion, a forged actor and a cut tail': async ({
    tx,
    world,
  }) => {
    const id = world.a.organizationId
    const valid = async () =>
      (await tx`select valid from public.verify_audit_chain(${id})`)[0]?.valid === true
    const problems = wrong(!(await valid()), 'the chain is not valid to begin with')
    await tx`alter table public.audit_logs disable trigger user`
    const last = `(select max(sequence) from public.audit_logs where organization_id = ${id})`
    for (const [name, change] of Object.entries({
      'an edit': `update public.audit_logs set details = '{}' where organization_id = ${id} and sequence = 2`,
      'a deletion': `delete from public.audit_logs where organization_id = ${id} and sequence = 2`,
      'a forged actor': `update public.audit_logs set actor = 'user', user_id = gen_random_uuid() where organization_id = ${id} and sequence = 2`,
      'a cut tail': `delete from public.audit_logs where organization_id = ${id} and sequence = ${last}`,
      'an exchange': `update public.audit_logs set sequence = -sequence where organization_id = ${id} and sequence in (2, 3)`,
    })) {
      await tx
        .savepoint(async (inner) => {
          await inner.unsafe(change)
          problems.push(...wrong(await valid(), `${name} does not show`))
          throw new Undo()
        })
        .catch(ignoreUndo)
    }
    return problems
  },

  'a change that matters is on the audit log, with its actor': async ({ tx, world, as }) => {
    const problems: string[] = []
    const owner = actorNamed(world, 'owner')
    for (const [statement, action] of [
      [
        `insert into client_mgmt.prompts (name, template) values ('Audited', 'text')`,
        'prompt.insert',
      ],
      [`update client_mgmt.prompts set template = 'other' where name = 'Audited'`, 'prompt.update'],
      [`delete from client_mgmt.prompts where name = 'Audited'`, 'prompt.delete'],
      [`insert into public.agents (name, type) values ('audited', 'openrouter')`, 'agent.insert'],
      [`insert into client_mgmt.budgets (period, limit_usd) values ('day', 5)`, 'budget.insert'],
      [`update public.organizations set name = 'Audited'`, 'organization.update'],
      [
        `update client_mgmt.billing_accounts set billing_info = '{"vat":"1"}'`,
        'billing_account.update',
      ],
      [`select public.invite_member('audited@example.com')`, 'invitation.insert'],
      [
        `select public.set_member_role('${actorNamed(world, 'member').userId}', 'admin')`,
        'membership.update',
      ],
      [
        `insert into public.system_prompts (scope, user_id, content) values ('organization', null, 'audited')`,
        'system_prompt.insert',
      ],
      [
        `insert into public.mcp_configurations (name, type, endpoint, user_id) values ('audited', 'http', 'https://example.com', null)`,
        'mcp_configuration.insert',
      ],
    ] as const) {
      const answer = await as('owner', statement)
      const [row] = await tx`
        select action, actor, user_id from public.audit_logs
        where organization_id = ${world.a.organizationId} order by sequence desc limit 1`
      problems.push(
        ...wrong(answer.error !== undefined, `${action}: ${answer.error}`),
        ...wrong(row?.action !== action, `${action} is not recorded but ${row?.action}`),
        ...wrong(
          row?.actor !== 'user' || row?.user_id !== owner.userId,
          `${action} by ${row?.actor} ${row?.user_id}`,
        ),
      )
    }
    return problems
  },

  'whatever changes has a new updated_at': async ({ tx, world }) => {
    const problems: string[] = []
    for (const { id, kind, columns } of world.catalog.relations) {
      const column =
        columns.find(({ name, identity }) => name !== 'updated_at' && !identity)?.name ?? ''
      if (kind !== 'table' || !columns.some(({ name }) => name === 'updated_at')) continue
      const [row] = await tx.unsafe(`
        with changed as (update ${id} set "${column}" = "${column}" returning updated_at)
        select bool_and(updated_at > now()) as fresh, count(*)::integer as n from changed`)
      problems.push(...wrong(row?.n > 0 && row?.fresh !== true, `${id} keeps its old one`))
    }
    return problems
  },
} satisfies Record<string, Check>
