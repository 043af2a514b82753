import type { Sql, TransactionSql } from 'postgres'
import { addMember, addOwner, as, type Member } from '../people/tenants.ts'
import { addAgent, type Begun, invoke, outcomes } from './executions.ts'

/** A customer whose shared conversation has one answer, and two people who may answer in it. */
export interface Desk {
  owner: Member
  customer: Member
  ada: Member
  bob: Member
  colleague: Member
  agent: string
  session: string
  begun: Begun
}

export async function arrangeDesk(
  tx: Sql | TransactionSql,
): Promise<Omit<Desk, 'begun' | 'session'>> {
  const owner = await addOwner(tx)
  const add = (permissions: string[] = []) =>
    addMember(tx, owner.organizationId, 'member', permissions)
  const { name: agent } = await addAgent(tx, owner)
  const customer = await add()
  const ada = await add(['sessions.answer'])
  const bob = await add(['sessions.answer'])
  await tx`update public.users set display_name = 'Ada' where id = ${ada.id}`
  return { owner, customer, ada, bob, colleague: await add(), agent }
}

export async function openDesk(tx: TransactionSql, outcome = outcomes.success): Promise<Desk> {
  const desk = await arrangeDesk(tx)
  const { begun } = await invoke(tx, desk.customer, { agent: desk.agent }, outcome)
  await share(tx, desk.customer, begun.session_id)
  return { ...desk, begun, session: begun.session_id }
}

export const share = (tx: TransactionSql, author: Member, session: string) =>
  as(
    tx,
    author,
    (t) => t`
      update public.chat_sessions set visibility = 'organization' where id = ${session}`,
  )

export interface Handling {
  session_id: string
  handled_by: string | null
  waiting_since: string | null
}

/** Statements for as() and refusal(). */
export const takeOver = (session: string) => async (tx: TransactionSql) =>
  (await tx<Handling[]>`select * from public.take_over_session(${session})`)[0]
export const assign = (session: string, person: string | null) => async (tx: TransactionSql) =>
  (await tx<Handling[]>`select * from public.assign_session(${session}, ${person})`)[0]
export const handBack =
  (session: string, note: string | null = null) =>
  async (tx: TransactionSql) =>
    (await tx<Handling[]>`select * from public.hand_back_session(${session}, ${note})`)[0]
export const answer =
  (session: string, content: string | null, id: string | null = null) =>
  async (tx: TransactionSql) =>
    (
      await tx<{ id: string; session_id: string; parent_id: string }[]>`
        select * from public.answer_session(${session}, ${content}, ${id})`
    )[0]
export const queue = (tx: TransactionSql) =>
  tx<{ session_id: string; handled_by: string | null; message: string; waiting_since: Date }[]>`
    select * from public.sessions_to_answer()`

/** As the owner of the tables. */
export async function handlingOf(tx: Sql | TransactionSql, session: string) {
  const [row] = await tx<
    { handled_by: string | null; is_waiting: boolean; current_message_id: string }[]
  >`
    select handled_by, waiting_since is not null as is_waiting, current_message_id
    from public.chat_sessions where id = ${session}`
  if (row === undefined) throw new Error('the session is gone')
  return row
}
