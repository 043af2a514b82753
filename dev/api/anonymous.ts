import { randomUUID } from 'node:crypto'
import { decodeJwt, jwtVerify } from 'jose'
import { isRecord } from '../../supabase/functions/_shared/json.ts'
import { authError } from '../postgres/database-trouble.ts'
import type { PgPool } from '../postgres/pg-pool.ts'

// Anonymous accounts, which lite lacks: it wants an address to sign up, and says of every account that it is
// not anonymous.

type Fetch = (request: Request) => Promise<Response>
type Body = Readonly<Record<string, unknown>>

/**
 * Signs up without an address, and gives an anonymous account the address that it sends, as GoTrue does.
 * Every other request, and the rest of these, goes to lite.
 * @param pool logged in as supabase_auth_admin
 */
export function withAnonymous(auth: Fetch, pool: PgPool, jwtSecret: string): Fetch {
  const key = new TextEncoder().encode(jwtSecret)
  return async (request) => {
    const { pathname } = new URL(request.url)
    if (request.method === 'POST' && pathname.endsWith('/signup')) {
      const body = await readBody(request)
      if (body !== undefined && !body['email'] && !body['phone'])
        return signUp(auth, pool, request, body)
    }
    if (request.method === 'PUT' && pathname.endsWith('/user')) {
      const account = await anonymousCaller(pool, request, key)
      if (account !== undefined) return convert(auth, pool, request, account)
    }
    return tellWho(await auth(request), pool)
  }
}

/** lite signs an account with an address of nobody up, which then loses address and password. */
async function signUp(
  auth: Fetch,
  pool: PgPool,
  request: Request,
  { data }: Body,
): Promise<Response> {
  const email = `${randomUUID()}@anonymous.invalid`
  const answer = await auth(withBody(request, { data, email, password: randomUUID() }))
  if (!answer.ok) return answer
  await pool.query(
    `with account as (
      update auth.users set email = null, encrypted_password = '', email_confirmed_at = null,
        is_anonymous = true, raw_app_meta_data = '{}',
        raw_user_meta_data = raw_user_meta_data - '{email,email_verified,phone_verified,sub}'::text[]
      where email = $1::text returning id
    )
    delete from auth.identities i using account a where i.user_id = a.id`,
    [email],
  )
  return tellWho(answer, pool)
}

/** The account gets its address at once, because addresses are not confirmed here. lite changes the rest. */
async function convert(
  auth: Fetch,
  pool: PgPool,
  request: Request,
  account: string,
): Promise<Response> {
  const { email, ...rest } = (await readBody(request)) ?? {}
  if (typeof email !== 'string' || email === '') {
    return rest.password === undefined
      ? tellWho(await auth(request), pool)
      : authError(422, 'validation_failed', 'An anonymous user needs an email or phone first')
  }
  const address = email.toLowerCase()
  if (!/^[^@\s]+@[^@\s]+$/.test(address))
    return authError(400, 'validation_failed', 'Unable to validate email address: invalid format')
  const { rows } = await pool.query(
    `with account as (
      update auth.users u set email = $2::text, email_confirmed_at = now(), is_anonymous = false,
        raw_app_meta_data = '{"provider":"email","providers":["email"]}'
      where u.id = $1::uuid and not exists (select 1 from auth.users o where o.email = $2::text)
      returning u.id
    )
    insert into auth.identities (id, provider, provider_id, user_id, identity_data)
    select gen_random_uuid(), 'email', a.id::text, a.id,
      jsonb_build_object('sub', a.id, 'email', $2::text, 'email_verified', true)
    from account a returning user_id`,
    [account, address],
  )
  if (rows.length === 0)
    return authError(
      422,
      'email_exists',
      'A user with this email address has already been registered',
    )
  return tellWho(await auth(withBody(request, rest)), pool)
}

/** @returns the account of the request's token while it is anonymous */
async function anonymousCaller(
  pool: PgPool,
  request: Request,
  key: Uint8Array,
): Promise<string | undefined> {
  const token = /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
  if (token === undefined) return undefined
  const account = await jwtVerify(token, key).then(
    ({ payload }) => payload.sub,
    () => undefined, // lite says what is wrong with it.
  )
  return account !== undefined && (await isAnonymous(pool, account)) ? account : undefined
}

async function isAnonymous(pool: PgPool, account: string): Promise<boolean> {
  const { rows } = await pool.query(
    'select 1 from auth.users where id = $1::uuid and is_anonymous',
    [account],
  )
  return rows.length > 0
}

/** Corrects an anonymous user in an answer. */
async function tellWho(answer: Response, pool: PgPool): Promise<Response> {
  if (!answer.ok || !answer.headers.get('content-type')?.startsWith('application/json'))
    return answer
  const text = await answer.text()
  const headers = new Headers(answer.headers)
  headers.delete('content-length')
  const again = (body: string) => new Response(body, { status: answer.status, headers })
  const found: unknown = text === '' ? null : JSON.parse(text)
  if (!isRecord(found)) return again(text)
  const token = found['access_token']
  const user = isRecord(found['user']) ? found['user'] : found
  const id = typeof token === 'string' ? decodeJwt(token).sub : user['id']
  if (typeof id !== 'string' || user['is_anonymous'] !== false || !(await isAnonymous(pool, id)))
    return again(text)
  const anonymous = { ...user, email: '', is_anonymous: true, identities: [], app_metadata: {} }
  delete (anonymous as Record<string, unknown>)['email_confirmed_at']
  return again(JSON.stringify(user === found ? anonymous : { ...found, user: anonymous }))
}

/** The body as an object; undefined for none and for a form. refuseBody() has refused any other. */
async function readBody(request: Request): Promise<Body | undefined> {
  const text = await request.clone().text()
  return text.startsWith('{') ? (JSON.parse(text) as Body) : undefined
}

function withBody(request: Request, body: Body): Request {
  const headers = new Headers(request.headers)
  headers.delete('content-length')
  headers.set('content-type', 'application/json')
  return new Request(request.url, { method: request.method, headers, body: JSON.stringify(body) })
}
