import type { TransactionSql } from 'postgres'
import type { Member } from '../people/tenants.ts'

export interface Event {
  action: string
  actor: string
  user_id: string | null
  details: unknown
}

export const eventsOf = (tx: TransactionSql, organizationId: number) => tx<Event[]>`
  select action, actor, user_id, details from public.audit_logs
  where organization_id = ${organizationId} order by sequence`

/** The events that a step adds to the organization's log. */
export async function added(tx: TransactionSql, owner: Member, step: () => Promise<unknown>) {
  const before = (await eventsOf(tx, owner.organizationId)).length
  await step()
  return (await eventsOf(tx, owner.organizationId)).slice(before)
}
