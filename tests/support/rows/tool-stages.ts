import type { Sql, TransactionSql } from 'postgres'
import { addMember, addOwner } from '../people/tenants.ts'
import { rolledBack } from '../stack/database.ts'
import { beginCalls, callOf, endWaiting, type Stage, stage } from './tool-rows.ts'

/** Runs on a new stage with a policy, in a transaction that is rolled back. */
export const stagesOn =
  (sql: Sql) =>
  (
    policy: 'auto' | 'ask' | 'off' | undefined,
    fn: (tx: TransactionSql, stage: Stage) => Promise<void>,
  ) =>
    rolledBack(sql, async (tx) => fn(tx, await stage(tx, await addOwner(tx), policy)))

export async function callRow(tx: TransactionSql, { begun }: Pick<Stage, 'begun'>) {
  const [row] = await tx`
    select status, error_code, runner_id from conversation.tool_calls where execution_id = ${begun.execution_id}`
  return { ...row }
}

/** The execution asked for one call and ended, to wait for the person. */
export async function waiting(tx: TransactionSql, staged: Stage, calls = ['search']) {
  const made = calls.map((id) =>
    callOf(staged.server, staged.listed, 'search', { tool_call_id: `call-${id}` }),
  )
  await beginCalls(tx, staged.begun, made, { params: { temperature: 0.5 } })
  await endWaiting(tx, staged.begun)
}

/** The person leaves; another owner stays. */
export async function endMembership(tx: TransactionSql, { owner }: Stage) {
  await addMember(tx, owner.organizationId, 'owner')
  await tx`update client_mgmt.client_users set ended_at = now() where user_id = ${owner.id}`
}

/** Each ends the person's access to the organization. */
export const revocations: ((tx: TransactionSql, staged: Stage) => Promise<unknown>)[] = [
  (tx, { owner }) => tx`update public.users set is_active = false where id = ${owner.id}`,
  (tx, staged) => endMembership(tx, staged),
]
