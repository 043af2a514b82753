import { randomUUID } from 'node:crypto'
import type { TransactionSql } from 'postgres'
import { actAs, type Claims } from './database.ts'
import type { Hosted } from './hosted.ts'

export interface Person {
  id: string
  session: string
  claims: Claims
}

/** Signs a person up as Auth does: in its own role, each statement within 2 s. */
export async function signUp(
  { auth }: Hosted,
  email = `${randomUUID()}@example.com`,
): Promise<Person> {
  const id = randomUUID()
  const session = randomUUID()
  await auth.begin(async (tx) => {
    await tx`
      insert into auth.users (id, aud, role, email, raw_app_meta_data, raw_user_meta_data)
      values (${id}, 'authenticated', 'authenticated', ${email}, '{}', '{"display_name":"Ada"}')`
    await tx`insert into auth.sessions (id, user_id) values (${session}, ${id})`
  })
  return { id, session, claims: {} }
}

/** As Auth issues a token. */
export async function issue(
  { auth }: Hosted,
  person: Person,
  method = 'password',
): Promise<Person> {
  const { id: sub, session: session_id } = person
  const event = {
    user_id: sub,
    authentication_method: method,
    claims: { sub, session_id, role: 'authenticated' },
  }
  const [row] = await auth<{ result: { claims: Claims } }[]>`
    select public.custom_access_token_hook(${auth.json(event)}) as result`
  return { ...person, claims: row?.result.claims ?? {} }
}

/** As PostgREST runs a request of a person, committed. */
export async function rest<Result>(
  { rest: sql }: Hosted,
  { claims }: Person,
  work: (tx: TransactionSql) => Promise<Result>,
): Promise<Result> {
  return (await sql.begin(async (tx) => {
    await actAs(tx, 'authenticated', claims)
    await tx`select private.check_request()`
    return work(tx)
  })) as Result
}

/** Signs up, founds an organization and gets a token for it. */
export async function founder(database: Hosted): Promise<Person> {
  const person = await issue(database, await signUp(database))
  const slug = `org-${person.id.slice(0, 20)}`
  await rest(
    database,
    person,
    (tx) => tx`select * from public.create_organization(${slug}, ${slug})`,
  )
  return issue(database, person, 'token_refresh')
}
