import { createHash } from 'node:crypto'
import type { Sql } from 'postgres'
import type { Client, Person } from '../people/people.ts'
import type { OAuthWorker } from './app.ts'
import { browse } from './browser.ts'

export const redirectTo = 'http://127.0.0.1:3000/connected'

let counter = 0

/** Adds a configuration of the person's own as supabase-js would. @returns its id */
export async function addConfiguration(
  person: { id: string; client: Client },
  endpoint: string,
  changes: Record<string, unknown> = {},
): Promise<number> {
  counter += 1
  const { data, error } = await person.client
    .from('mcp_configurations')
    .insert({
      name: `server-${counter}`,
      type: 'http',
      endpoint,
      auth_type: 'oauth',
      ...changes,
    })
    .select('id')
    .single()
  if (error !== null) throw new Error(`${error.code} ${error.message}`)
  return data.id
}

/** Stores an endpoint past the check of the database, as a restored dump could have it. */
export async function setEndpoint(sql: Sql, id: number, endpoint: string): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`alter table public.mcp_configurations disable trigger mcp_configurations_check_endpoint`
    await tx`update public.mcp_configurations set endpoint = ${endpoint} where id = ${id}`
    await tx`alter table public.mcp_configurations enable trigger mcp_configurations_check_endpoint`
  })
}

export interface Begun {
  readonly authorizationUrl: URL
  readonly expiresAt: string
}

/** `POST /connections`. */
export async function beginConnection(
  worker: OAuthWorker,
  person: Person,
  configurationId: number,
  to = redirectTo,
): Promise<Begun> {
  const body = { mcp_configuration_id: configurationId, redirect_to: to }
  const response = await worker.call(person, 'POST', '/connections', body)
  const answer = (await response.json()) as Record<string, string>
  if (response.status !== 201) throw new Error(JSON.stringify(answer))
  return {
    authorizationUrl: new URL(answer.authorization_url ?? ''),
    expiresAt: answer.expires_at ?? '',
  }
}

/** The browser's way: the issuer, then our callback. @returns where the client's page is opened */
export async function authorize(worker: OAuthWorker, authorizationUrl: URL): Promise<URL> {
  return follow(worker, await browse(authorizationUrl.href))
}

/** Opens our callback as the issuer's redirect says. */
export async function follow(worker: OAuthWorker, callback: URL): Promise<URL> {
  const response = await worker.call(null, 'GET', pathOf(worker, callback))
  if (response.status !== 303) throw new Error(`${response.status} ${await response.text()}`)
  return new URL(response.headers.get('location') ?? '')
}

/** The redirect URI for an issuer, computed as docs/mcp-servers.md says. */
export function redirectUriFor({ deps }: OAuthWorker, issuer: string): string {
  return `${deps.settings.callbackUrl}/${createHash('sha256').update(issuer).digest('hex')}`
}

/** The route of the function that an issuer's redirect opens, and its parameters. */
export function pathOf({ deps }: OAuthWorker, callback: URL): string {
  const { callbackUrl } = deps.settings
  if (!callback.href.startsWith(callbackUrl)) throw new Error(`not our callback: ${callback.href}`)
  return `/callback${callback.href.slice(callbackUrl.length)}`
}

export interface Connected {
  readonly id: number
  readonly scope: string | null
  readonly issuer: string
}

/** The whole way: begin, authorize, finish. */
export async function connect(
  worker: OAuthWorker,
  person: Person,
  configurationId: number,
): Promise<Connected> {
  const { authorizationUrl } = await beginConnection(worker, person, configurationId)
  const page = await authorize(worker, authorizationUrl)
  const connection = page.searchParams.get('connection')
  const response = await worker.call(person, 'POST', '/connections/finish', { connection })
  const answer = (await response.json()) as Connected
  if (response.status !== 201) throw new Error(`${page.search} ${JSON.stringify(answer)}`)
  return answer
}

/** The code of an answer that is an error. */
export async function codeOf(response: Response): Promise<string> {
  const body = (await response.json()) as { error?: { code: string } }
  return body.error?.code ?? `${response.status}`
}
