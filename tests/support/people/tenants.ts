import { randomUUID } from 'node:crypto'
import postgres, { type Sql, type TransactionSql } from 'postgres'
import { actAs, actAsOwner, type Claims, type Role } from '../stack/database.ts'

/** A person and the one device they are signed in on. */
export interface Account {
  id: string
  email: string
  sessionId: string
  /** What the access token carries; see signIn(). */
  claims: Claims
}

export interface Member extends Account {
  organizationId: number
}

/** Someone who makes a statement: a person's token, or a role without one. */
export type Actor = Account | Claims | Role

/** Inserts an account with one auth session, as the auth server does, and signs it in. */
export async function addAccount(tx: Sql | TransactionSql, email?: string): Promise<Account> {
  const id = randomUUID()
  const account = { id, email: email ?? `${id}@example.com`, sessionId: randomUUID(), claims: {} }
  await tx`insert into auth.users (id, email) values (${id}, ${account.email})`
  await tx`insert into auth.sessions (id, user_id) values (${account.sessionId}, ${id})`
  return signIn(tx, account)
}

/** The same person on another device. */
export async function addDevice<A extends Account>(tx: Sql | TransactionSql, of: A): Promise<A> {
  const sessionId = randomUUID()
  await tx`insert into auth.sessions (id, user_id) values (${sessionId}, ${of.id})`
  return signIn(tx, { ...of, sessionId })
}

/**
 * Lets the token hook issue a token.
 *
 * @throws Error with the hook's message when it refuses
 */
export async function signIn<A extends Account>(
  tx: Sql | TransactionSql,
  account: A,
  method = 'password',
): Promise<A> {
  const event = {
    user_id: account.id,
    authentication_method: method,
    claims: { sub: account.id, session_id: account.sessionId, role: 'authenticated' },
  }
  const [row] = await tx<{ result: { claims?: Claims; error?: { message: string } } }[]>`
    select public.custom_access_token_hook(${tx.json(event)}) as result`
  if (row?.result.claims === undefined) {
    throw new Error(row?.result.error?.message ?? 'the hook returned no claims')
  }
  return { ...account, claims: row.result.claims }
}

/** A new account that owns a new organization. */
export async function addOwner(tx: Sql | TransactionSql): Promise<Member> {
  const account = await addAccount(tx)
  const slug = `org-${account.id.slice(0, 23)}`
  const organizationId = await addOrganization(tx, slug)
  return join(tx, organizationId, account, 'owner')
}

/** An organization without anyone, as create_organization() would leave it. */
export async function addOrganization(tx: Sql | TransactionSql, slug: string): Promise<number> {
  const [row] = await tx<{ id: string }[]>`
    insert into public.organizations (name, slug) values (${slug}, ${slug}) returning id`
  const id = Number(row?.id)
  await tx`insert into client_mgmt.billing_accounts (organization_id) values (${id})`
  return id
}

/** A new account that belongs to the organization. */
export async function addMember(
  tx: Sql | TransactionSql,
  organizationId: number,
  role = 'member',
  permissions: string[] = [],
): Promise<Member> {
  return join(tx, organizationId, await addAccount(tx), role, permissions)
}

/** Makes the account a member, as the owner of the tables, and signs it in again. */
export async function join(
  tx: Sql | TransactionSql,
  organizationId: number,
  account: Account,
  role: string,
  permissions: string[] = [],
): Promise<Member> {
  await tx`
    insert into client_mgmt.client_users (organization_id, user_id, role, permissions)
    values (${organizationId}, ${account.id}, ${role}, ${permissions})`
  await tx`
    update public.users set organization_id = ${organizationId}
    where id = ${account.id} and organization_id is null`
  return { ...(await signIn(tx, account)), organizationId }
}

/** A new account that runs the platform. */
export async function addPlatformAdmin(tx: Sql | TransactionSql): Promise<Account> {
  const account = await addAccount(tx)
  await tx`
    insert into public.platform_admins (user_id, email, name)
    values (${account.id}, ${account.email}, 'Operator')`
  return account
}

/** Runs `fn` as the actor, in a savepoint, and comes back as the owner. */
export async function as<Result>(
  tx: TransactionSql,
  actor: Actor,
  fn: (tx: TransactionSql) => Promise<Result>,
): Promise<Result> {
  const result = await tx.savepoint(async (inner) => {
    if (typeof actor === 'string') await actAs(inner, actor)
    else await actAs(inner, 'authenticated', isAccount(actor) ? actor.claims : actor)
    const value = await fn(inner)
    await actAsOwner(inner)
    return { value }
  })
  return (result as { value: Result }).value
}

/** Runs `fn` as the actor in a transaction of its own, which is committed. */
export async function committedAs<Result>(
  sql: Sql,
  actor: Actor,
  fn: (tx: TransactionSql) => Promise<Result>,
): Promise<Result> {
  return (await sql.begin((tx) => as(tx, actor, fn))) as Result
}

/**
 * How a statement of the actor is refused, as `SQLSTATE message`, for instance
 * `42501 permission_denied`; `allowed` when it is not.
 */
export async function refusal(
  tx: TransactionSql,
  actor: Actor,
  fn: (tx: TransactionSql) => Promise<unknown>,
): Promise<string> {
  return outcome(as(tx, actor, fn))
}

/** The same for any statement. */
export async function outcome(statement: Promise<unknown>): Promise<string> {
  try {
    await statement
    return 'allowed'
  } catch (error) {
    if (error instanceof postgres.PostgresError) return `${error.code} ${error.message}`
    throw error
  }
}

/** Until another connection waits for a lock of this one, so that a race is the one we mean. */
export async function untilSomeoneWaits(tx: TransactionSql): Promise<void> {
  for (let attempt = 0; attempt < 2_500; attempt++) {
    const rows = await tx`
      select 1 from pg_locks l
      where not l.granted and pg_backend_pid() = any (pg_blocking_pids(l.pid))`
    if (rows.length > 0) return
    await tx`select pg_sleep(0.01)`
  }
  throw new Error('nothing waits for a lock of this transaction')
}

/** Waits until so many transactions of this database wait for a lock of any transaction. */
export async function untilWaiting(tx: TransactionSql, waiting: number): Promise<void> {
  for (let attempt = 0; attempt < 2_500; attempt++) {
    const rows = await tx`
      select distinct l.pid from pg_locks l
      join pg_stat_activity a on a.pid = l.pid and a.datname = current_database()
      where not l.granted and cardinality(pg_blocking_pids(l.pid)) > 0`
    if (rows.length >= waiting) return
    await tx`select pg_sleep(0.01)`
  }
  throw new Error(`fewer than ${waiting} wait for a lock`)
}

function isAccount(actor: Account | Claims): actor is Account {
  return typeof actor.sessionId === 'string'
}
