import type { TransactionSql } from 'postgres'

import type { Actor } from './actors.ts'
import type { Finding } from './cases/types.ts'
import { invitationToken } from './plant/special.ts'
import type { InvariantRule } from './rules-list.ts'
import type { Session } from './session.ts'
import type { World } from './world.ts'

/** A transaction with what was planted, and ways to act in it. */
interface Scene {
  tx: TransactionSql
  world: World
  /** Runs a statement as someone; gives its rows, or the SQLSTATE and message it was refused with. */
  as: (name: string, statement: string) => Promise<Answer>
}

type Answer = { rows: Record<string, unknown>[]; error?: never } | { error: string; rows?: never }

/** @returns what is wrong, in words; empty when the rule holds */
type Check = (scene: Scene) => Promise<string[]>

const wrong = (is: boolean, text: string): string[] => (is ? [text] : [])

const checks: Readonly<Record<InvariantRule, Check>> = {
  'a token that can still be refreshed survives the clean-up': async ({ tx, as }) => {
    await tx`update public.mcp_oauth_tokens set expires_at = now() - interval '1 year'`
    await tx`update public.mcp_oauth_tokens set refresh_token = null where user_id in (
      select user_id from public.mcp_oauth_tokens order by id limit 1)`
    const [before] =
      await tx`select count(*)::integer as n from public.mcp_oauth_tokens where refresh_token is not null`
    await as('service role', 'select public.cleanup_expired_oauth_tokens()')
    const [after] = await tx`select count(*)::integer as n,
      count(*) filter (where refresh_token is null)::integer as dead from public.mcp_oauth_tokens`
    return [
      ...wrong(before?.n === 0, 'nothing to keep'),
      ...wrong(after?.n !== before?.n, `${after?.n} of ${before?.n} are left`),
      ...wrong(after?.dead !== 0, 'what cannot be refreshed stays'),
    ]
  },

  'a wrong key is an error, never null': async ({ as }) => {
    const sealed = await as('service role', `select public.encrypt_token('secret', 'key') as value`)
    const value = String(sealed.rows?.[0]?.value)
    const open = (key: string) =>
      as('service role', `select public.decrypt_token('${value}', ${key}) as value`)
    const [good, bad, none] = [await open(`'key'`), await open(`'other'`), await open('null')]
    const missing = await as('service role', `select public.encrypt_token('secret', null)`)
    return [
      ...wrong(good.rows?.[0]?.value !== 'secret', 'the right key does not open'),
      ...wrong(bad.error?.startsWith('22023') !== true, `a wrong key gives ${JSON.stringify(bad)}`),
      ...wrong(none.error?.startsWith('22004') !== true, `no key gives ${JSON.stringify(none)}`),
      ...wrong(missing.error?.startsWith('22004') !== true, 'a token is encrypted without a key'),
    ]
  },

  'a metric counts failures too': async ({ tx, world, as }) => {
    const problems: string[] = []
    for (const [status, column] of [
      ['failed', 'failed_requests'],
      ['cancelled', 'cancelled_requests'],
      ['success', 'successful_requests'],
    ] as const) {
      const begun = await as(
        'member',
        `select public.begin_execution('{"content":"hello"}', agent => 'droid') as value`,
      )
      const execution = (begun.rows?.[0]?.value ?? {}) as { execution_id?: string }
      const outcome = { status, error_code: 'provider_error', finish_reason: 'stop', latency_ms: 5 }
      const read = () => tx<{ n: number; total: number }[]>`
        select coalesce(sum(${tx(column)}), 0)::integer as n, coalesce(sum(total_requests), 0)::integer as total
        from public.agent_metrics where organization_id = ${world.a.organizationId}`
      const [before] = await read()
      const ended = await as(
        'service role',
        `select public.finish_execution(${world.a.organizationId}, '${execution.execution_id}', '${JSON.stringify(outcome)}')`,
      )
      const [after] = await read()
      problems.push(
        ...wrong(ended.error !== undefined, `${status}: ${ended.error}`),
        ...wrong(after?.n !== (before?.n ?? 0) + 1, `${status} is not counted`),
        ...wrong(
          after?.total !== (before?.total ?? 0) + 1,
          `${status} is not counted in the total`,
        ),
      )
    }
    return problems
  },

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

  'an invitation serves once, in time, and the person it names': async ({ world, as }) => {
    const accept = (who: string, kind: string) =>
      as(who, `select public.accept_invitation('${invitationToken('a', kind)}')`)
    const problems: string[] = []
    for (const kind of ['of another', 'expired', 'used', 'revoked']) {
      const { error } = await accept('invited person', kind)
      problems.push(
        ...wrong(
          error?.includes('invalid_invitation') !== true,
          `one that is ${kind} serves: ${error}`,
        ),
      )
    }
    const stranger = await accept('owner of the other', 'pending')
    const first = await accept('invited person', 'pending')
    const second = await accept('invited person', 'pending')
    return [
      ...problems,
      ...wrong(stranger.error?.includes('invalid_invitation') !== true, 'a stranger may use it'),
      ...wrong(
        first.error !== undefined,
        `it does not serve at all: ${first.error} in ${world.a.organizationId}`,
      ),
      ...wrong(second.error?.includes('invalid_invitation') !== true, 'it serves twice'),
    ]
  },

  'a grant ends with its time and with its administrator': async ({ tx, as }) => {
    const name = 'platform administrator on content'
    const sees = async () =>
      ((await as(name, 'select id from public.chat_sessions')).rows ?? []).length > 0
    const problems = wrong(!(await sees()), 'it never gave a view')
    for (const [event, change] of Object.entries({
      'its time': `update public.user_sessions set access_expires_at = now() where access_grant_id is not null`,
      'its end': `update client_mgmt.access_grants set ended_at = now()`,
      'its administrator': `update public.platform_admins set is_active = false`,
    })) {
      await tx
        .savepoint(async (inner) => {
          if (event === 'its time')
            await inner`alter table public.user_sessions disable trigger user_sessions_derive_access`
          await inner.unsafe(change)
          problems.push(...wrong(await sees(), `it outlives ${event}`))
          throw new Undo()
        })
        .catch(ignoreUndo)
    }
    const long = await as(
      'platform administrator',
      `select public.open_break_glass(1, 'A very good reason', 'content', 25)`,
    )
    return [...problems, ...wrong(long.error === undefined, 'it may last longer than a day')]
  },

  'an organization keeps an owner': async ({ world, as }) => {
    const { userId } = actorNamed(world, 'owner')
    const answers = [
      await as('owner', 'select public.leave_organization()'),
      await as('owner', `select public.set_member_role('${userId}', 'member')`),
      await as('owner', `select public.remove_member('${userId}')`),
    ]
    return answers.flatMap(({ error }) =>
      wrong(error?.includes('last_owner') !== true, `gave ${error ?? 'no error'}`),
    )
  },
}

class Undo extends Error {}

function ignoreUndo(error: unknown): void {
  if (!(error instanceof Undo)) throw error
}

function actorNamed(world: World, name: string): Actor {
  const actor = world.actors.find((one) => one.name === name)
  if (actor === undefined) throw new Error(`nobody is called ${name}`)
  return actor
}

/** Runs each check in a transaction of its own inside the session's, and undoes it. */
export async function runInvariants({
  world,
  full,
}: Session): Promise<{ cases: number; findings: Finding[] }> {
  const findings: Finding[] = []
  for (const [rule, check] of Object.entries(checks) as [InvariantRule, Check][]) {
    await full
      .savepoint(async (tx) => {
        const problems = await check({ tx, world, as: actIn(tx, world) }).catch(
          (error: unknown) => [String(error)],
        )
        findings.push(
          ...problems.map((message) => ({ rule, object: 'all', actor: 'all', message })),
        )
        throw new Undo()
      })
      .catch(ignoreUndo)
  }
  return { cases: Object.keys(checks).length, findings }
}

const actIn =
  (tx: TransactionSql, world: World): Scene['as'] =>
  async (name, statement) => {
    const { role, claims } = actorNamed(world, name)
    const become = (to: string, text: string) =>
      tx`select set_config('role', ${to}, true), set_config('request.jwt.claims', ${text}, true)`
    try {
      // What it did stays, unless it was refused.
      const rows = await tx.savepoint(async (inner) => {
        await become(role, JSON.stringify(claims))
        return inner.unsafe<Record<string, unknown>[]>(statement)
      })
      return { rows: [...rows] }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error
      return { error: `${String(error.code)} ${error.message}` }
    } finally {
      await become('none', '')
    }
  }
