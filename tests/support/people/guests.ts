import { randomUUID } from 'node:crypto'
import type { Sql, TransactionSql } from 'postgres'
import { addAgent, type Begun } from '../rows/executions.ts'
import { newClient, type Organization, type Person, refreshSession } from './people.ts'
import { type Account, addMember, addOwner, as, type Member, signIn } from './tenants.ts'

/** An account as Auth makes it for an anonymous sign-in: without an address. */
export async function addAnonymous(tx: Sql | TransactionSql): Promise<Account> {
  const account = { id: randomUUID(), email: '', sessionId: randomUUID(), claims: {} }
  await tx`insert into auth.users (id, is_anonymous) values (${account.id}, true)`
  await tx`insert into auth.sessions (id, user_id) values (${account.sessionId}, ${account.id})`
  return signIn(tx, account)
}

/** An anonymous guest of an organization who has signed in last so many days ago. */
export async function addAbandoned(
  tx: Sql | TransactionSql,
  { organizationId }: Pick<Member, 'organizationId'>,
  days = 31,
): Promise<Account> {
  const account = await addAnonymous(tx)
  const then = new Date(Date.now() - days * 86_400_000)
  await tx`update auth.users set created_at = ${then} where id = ${account.id}`
  await tx`update auth.sessions set created_at = ${then} where user_id = ${account.id}`
  await tx`insert into client_mgmt.client_users (organization_id, user_id, role)
    values (${organizationId}, ${account.id}, 'guest')`
  return account
}

/** A customer who signs in anonymously and joins an organization, on the running stack. */
export async function comeAnonymously({ slug }: Organization): Promise<Person> {
  const client = newClient()
  const { data, error } = await client.auth.signInAnonymously()
  if (error !== null || data.user === null) throw error ?? new Error('nobody signed in')
  const person = { id: data.user.id, email: '', password: '', client }
  const { error: refused } = await client.rpc('join_organization', { slug })
  if (refused !== null) throw refused
  await refreshSession(person)
  return person
}

export const addGuest = (tx: Sql | TransactionSql, { organizationId }: Member): Promise<Member> =>
  addMember(tx, organizationId, 'guest')

/** Lets an organization take guests, or take none any more. */
export const takeGuests = (
  tx: Sql | TransactionSql,
  of: Pick<Member, 'organizationId'>,
  takes = true,
) => tx`
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

/** An organization with an agent that is open to guests and one that is closed, and two guests. */
export async function addSupport(tx: TransactionSql) {
  const owner = await addOwner(tx)
  const open = await addAgent(tx, owner)
  await openAgent(tx, open.id)
  const [guest, other] = [await addGuest(tx, owner), await addGuest(tx, owner)]
  return { owner, open, guest, other, closed: await addAgent(tx, owner) }
}

/** What the function agents gets when it begins an execution for the person of a session. */
export async function beginAs(
  tx: TransactionSql,
  { sessionId, organizationId }: Member,
  request: object,
): Promise<Begun> {
  const [row] = await as(
    tx,
    'service_role',
    (t) => t<{ result: Begun }[]>`
      select public.begin_execution_as(
        ${sessionId}, ${organizationId}, ${t.json(request as never)}
      ) as result`,
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
