import type { TransactionSql } from 'postgres'

import { type Actor, permissionsOfRank, rankOf } from './actors.ts'
import { type Finding } from './cases/types.ts'
import { relationExpectations } from './expectations/index.ts'
import { routineExpectations } from './expectations/routines.ts'
import type { Session } from './session.ts'
import { runCasesOf } from './suite.ts'

/** Something that ends or lowers the access of the administrator whose token stays valid. */
export interface Event {
  name: string
  /** Who does it; the database owner when absent. */
  by?: string
  sql: (ids: { user: string; session: string; organization: number }) => string
  /** What the token is still good for. */
  leaves: Pick<
    Actor,
    'organizationId' | 'guestOf' | 'permissions' | 'rank' | 'userId' | 'hasAccount'
  >
}

const nothing = { organizationId: null, guestOf: null, permissions: new Set<string>(), rank: 0 }

const as = (user: string) => ({ ...nothing, userId: user, hasAccount: true })
const nobody = { ...nothing, userId: null, hasAccount: false }

/** @param user the administrator's account, to whom it stays visible unless it is suspended */
export function eventsFor(user: string, organization: number): Event[] {
  const demoted = {
    organizationId: organization,
    guestOf: null,
    permissions: new Set(permissionsOfRank.member),
    rank: rankOf('member'),
    userId: user,
    hasAccount: true,
  }
  const reason = `'Proving that it counts at once'`
  return [
    {
      name: 'removal',
      by: 'owner',
      sql: ({ user }) => `select public.remove_member('${user}')`,
      leaves: as(user),
    },
    {
      name: 'leaving',
      by: 'administrator',
      sql: () => 'select public.leave_organization()',
      leaves: as(user),
    },
    {
      name: 'demotion',
      by: 'owner',
      sql: ({ user }) => `select public.set_member_role('${user}', 'member', '{}')`,
      leaves: demoted,
    },
    {
      name: 'demotion to guest',
      by: 'owner',
      sql: ({ user }) => `select public.set_member_role('${user}', 'guest')`,
      leaves: { ...as(user), guestOf: organization, rank: rankOf('guest') },
    },
    {
      name: 'suspension of the account',
      by: 'platform administrator',
      sql: ({ user }) => `select public.set_account_active('${user}', false, ${reason})`,
      leaves: nobody,
    },
    {
      name: 'suspension of the organization',
      by: 'platform administrator',
      sql: ({ organization }) =>
        `select public.set_organization_active(${organization}, false, ${reason})`,
      leaves: as(user),
    },
    {
      name: 'revocation of the session',
      by: 'administrator',
      sql: ({ session }) => `select public.revoke_session('${session}')`,
      leaves: nobody,
    },
    {
      name: 'sign-out',
      sql: ({ session }) => `delete from auth.sessions where id = '${session}'`,
      leaves: nobody,
    },
    {
      name: 'expiry of the session',
      sql: ({ session }) =>
        `update public.user_sessions set expires_at = now() where id = '${session}'`,
      leaves: nobody,
    },
    {
      name: 'erasure of the account',
      sql: ({ user }) => `delete from auth.users where id = '${user}'`,
      leaves: nobody,
    },
    {
      name: 'switching to another organization',
      by: 'administrator',
      sql: () =>
        `select public.switch_organization((to_jsonb(public.create_organization('Elsewhere', 'elsewhere')) ->> 'id')::bigint)`,
      leaves: as(user),
    },
  ]
}

/**
 * After each event, every statement that the administrator can try on any table, and every call of a
 * function for people, with the token as it was: what comes of them must be what the rules say of someone with what is left.
 */
export async function runEffects(
  session: Session,
): Promise<{ cases: number; findings: Finding[] }> {
  const { world } = session
  const administrator = actorNamed(session, 'administrator')
  const report = { cases: 0, findings: [] as Finding[] }
  const user = administrator.userId ?? ''
  const ids = {
    user,
    session: String(administrator.claims.session_id),
    organization: world.a.organizationId,
  }
  for (const event of eventsFor(user, world.a.organizationId)) {
    await undone(session.full, async (tx) => {
      await act(
        tx,
        event.by === undefined ? undefined : actorNamed(session, event.by),
        event.sql(ids),
      )
      const actor: Actor = { ...administrator, ...event.leaves }
      const part = await runCasesOf(
        { ...session, full: tx },
        actor,
        (id) => id in relationExpectations || isForPeople(id),
      )
      report.cases += part.cases
      for (const finding of part.findings) {
        report.findings.push({
          ...finding,
          rule: 'losing access takes effect on the next statement',
          message: `after ${event.name}: ${finding.message}`,
        })
      }
    })
  }
  return report
}

const isForPeople = (id: string): boolean =>
  id.startsWith('public.') && routineExpectations[id]?.executors.includes('authenticated') === true

function actorNamed({ world }: Session, name: string): Actor {
  const actor = world.actors.find((one) => one.name === name)
  if (actor === undefined) throw new Error(`nobody is called ${name}`)
  return actor
}

async function act(tx: TransactionSql, actor: Actor | undefined, sql: string): Promise<void> {
  const claims = actor === undefined ? '' : JSON.stringify(actor.claims)
  await tx`select set_config('role', ${actor?.role ?? 'none'}, true), set_config('request.jwt.claims', ${claims}, true)`
  await tx.unsafe(sql)
  await tx`select set_config('role', 'none', true), set_config('request.jwt.claims', '', true)`
}

class Undo extends Error {}

async function undone(
  tx: TransactionSql,
  work: (tx: TransactionSql) => Promise<void>,
): Promise<void> {
  try {
    await tx.savepoint(async (inner) => {
      await work(inner)
      throw new Undo()
    })
  } catch (error) {
    if (!(error instanceof Undo)) throw error
  }
}
