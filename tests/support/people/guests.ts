import { randomUUID } from 'node:crypto'
import type { Sql, TransactionSql } from 'postgres'
import type { Begun } from '../rows/executions.ts'
import { type Account, addMember, as, type Member, signIn } from './tenants.ts'

/** An account as Auth makes it for an anonymous sign-in: without an address. */
export async function addAnonymous(tx: Sql | TransactionSql): Promise<Account> {
  const account = { id: randomUUID(), email: '', sessionId: randomUUID(), claims: {} }
  await tx`insert into auth.users (id, is_anonymous) values (${account.id}, true)`
  await tx`insert into auth.sessions (id, user_id) values (${account.sessionId}, ${account.id})`
  return signIn(tx, account)
}

export const addGuest = (tx: Sql | TransactionSql, { organizationId }: Member): Promise<Member> =>
  addMember(tx, organizationId, 'guest')

/** Lets an organization take guests, or take none any more. */
export const takeGuests = (tx: Sql | TransactionSql, of: Member, takes = true) => tx`
  update public.organizations set settings = ${tx.json({ guests_may_join: takes })}
  where id = ${of.organizationId}`

export async function slugOf(tx: Sql | TransactionSql, of: Member): Promise<string> {
  const [row] = await tx<{ slug: string }[]>`
    select slug from public.organizations where id = ${of.organizationId}`
  return row?.slug ?? ''
}

export const joinBy = (slug: string) => (tx: TransactionSql) =>
  tx<{ organization_id: string; role: string }[]>`select * from public.join_organization(${slug})`

/** An agent of an organization that its guests may invoke, or may not. */
export async function openAgent(tx: Sql | TransactionSql, id: number, open = true): Promise<void> {
  await tx`update public.agents set open_to_guests = ${open} where id = ${id}`
}

/** What the function agents gets when it begins an execution for the person of a session. */
export async function beginAs(
  tx: TransactionSql,
  { sessionId }: Account,
  request: object,
): Promise<Begun> {
  const [row] = await as(
    tx,
    'service_role',
    (t) => t<{ result: Begun }[]>`
      select public.begin_execution_as(${sessionId}, ${t.json(request as never)}) as result`,
  )
  if (row === undefined) throw new Error('nothing was begun')
  return row.result
}

/** The result of a statement that reads, as someone. */
export const count = async (
  tx: TransactionSql,
  who: Account,
  table: string,
  where = 'true',
): Promise<number> => {
  const rows = await as(tx, who, (t) => t.unsafe(`select 1 from ${table} where ${where}`))
  return rows.length
}
