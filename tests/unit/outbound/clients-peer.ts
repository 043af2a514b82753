/**
 * Lets each client that goes out meet servers that are no good, all at once, and prints the code
 * with which each ended. Arguments: the address of the servers, their names as JSON, and a service
 * account as JSON. With --expose-gc it collects garbage all the time.
 */
import process from 'node:process'
import { createAccessTokenVerifier } from '../../../supabase/functions/_shared/auth/access-token.ts'
import { createDatabase } from '../../../supabase/functions/_shared/database.ts'
import { resolveAdapter } from '../../../supabase/functions/_shared/models/registry.ts'
import { parseServiceAccount } from '../../../supabase/functions/_shared/models/service-account.ts'
import { streamModel } from '../../../supabase/functions/_shared/models/stream-model.ts'
import { ServiceAccountTokens } from '../../../supabase/functions/_shared/models/vertex-token.ts'
import { discover } from '../../../supabase/functions/_shared/oauth/discover.ts'
import { findClient } from '../../../supabase/functions/_shared/oauth/find-client.ts'
import { revokeTokens } from '../../../supabase/functions/_shared/oauth/revoke-tokens.ts'
import {
  exchangeCode,
  refreshTokens,
} from '../../../supabase/functions/_shared/oauth/token-request.ts'
import { createOutboundFetch } from '../../../supabase/functions/_shared/outbound/outbound.ts'
import { createKeyTest } from '../../../supabase/functions/_shared/provider-keys/test-key.ts'
import { systemClock } from '../../../supabase/functions/_shared/time.ts'
import { openMcpServer } from '../../../supabase/functions/_shared/tools/mcp/open-mcp-server.ts'
import { toolTimeouts } from '../../../supabase/functions/_shared/tools/tool-limits.ts'
import type { ToolServerKey } from '../../../supabase/functions/_shared/tools/tool-server.ts'

const [origin = '', servers = '[]', serviceAccount = ''] = process.argv.slice(2)
const { gc } = globalThis as unknown as { gc?: () => void }
const collecting = gc && setInterval(gc, 20)

const timeout = 1_000
const limits = { head: timeout, total: timeout, idle: timeout, bytes: 65_536 }
const fetch = createOutboundFetch({ allowLoopback: true, limits })
/** For a client that the status alone tells its end: a head that comes must be in time on a slow machine. */
const patient = createOutboundFetch({
  allowLoopback: true,
  limits: { ...limits, head: 8_000, total: 8_000 },
})
/** A clock on which the longest deadline of a model is over in seconds. */
const fast = {
  ...systemClock,
  setTimeout: (callback: () => void, milliseconds: number) =>
    setTimeout(callback, milliseconds / 40),
  now: () => Date.now() * 40,
}
/** A server that leaves is told from one that keeps a client waiting, also on a slow machine. */
const clockFor = (url: string) => (url.endsWith('/cut') ? systemClock : fast)
const signal = new AbortController().signal
const token = (alg: string, iss: string) => {
  const claims = { sub: 'x', iss, aud: 'authenticated', role: 'authenticated', exp: 4e9 }
  return [{ alg, kid: 'k' }, claims, 'x'].map((part) => encode(JSON.stringify(part))).join('.')
}
const encode = (text: string) => btoa(text).replaceAll('=', '')
const tokens = { accessToken: 'a', refreshToken: 'r' }
const oauthClient = {
  clientId: 'c',
  clientSecret: undefined,
  authMethod: 'none',
  row: null,
} as const
const hello = { role: 'user', content: 'Hi' } as const

/** What goes out to the address; what it throws or returns has the code of its end. */
type Goes = (url: string) => Promise<unknown>

const mcp = (type: 'http' | 'sse', url: string) => {
  const key = { type, endpoint: `${url}/mcp` } as ToolServerKey
  return openMcpServer(key, { fetch, timeouts: toolTimes })
}
const toolTimes = {
  ...toolTimeouts,
  probe: timeout,
  connect: timeout,
  list: timeout,
  call: timeout,
}
const definition = { name: 'look', input_schema: { type: 'object' } }
const metadata = (url: string) => ({
  issuer: url,
  authorization_endpoint: `${url}/authorize`,
  token_endpoint: `${url}/token`,
  registration_endpoint: `${url}/register`,
  revocation_endpoint: `${url}/revoke`,
  response_types_supported: ['code'],
  code_challenge_methods_supported: ['S256'],
})
const tokenRequest = (url: string) =>
  ({
    metadata: metadata(url),
    client: oauthClient,
    resource: url,
    fetch,
    clock: systemClock,
    log: () => undefined,
  }) as const
const verifier = (supabaseUrl: string) =>
  createAccessTokenVerifier({
    supabaseUrl,
    jwtIssuer: supabaseUrl,
    publishableKey: 'k',
    jwks: null,
    timeout,
  })
const bearer = (alg: string, iss: string) =>
  new Headers({ authorization: `Bearer ${token(alg, iss)}` })
const database = (supabaseUrl: string) =>
  createDatabase({ supabaseUrl, publishableKey: 'k', secretKey: 's', timeout })
const addresses = (baseUrl: string) => ({
  openrouter: { baseUrl },
  vertexAi: { location: 'us-central1', baseUrl, serviceAccount: accountOf(baseUrl) },
})
const accountOf = (url: string) =>
  JSON.stringify({ ...(JSON.parse(serviceAccount) as object), token_uri: `${url}/token` })

const clients: Record<string, Goes> = {
  'listing tools': (url) => mcp('http', url).list(signal),
  'listing tools over SSE': (url) => mcp('sse', url).list(signal),
  'calling a tool': (url) => mcp('http', url).call(definition, {}, signal),
  'calling a tool over SSE': (url) => mcp('sse', url).call(definition, {}, signal),
  'discovering an authorization server': (url) =>
    discover(fetch, { endpoint: `${url}/mcp`, type: 'http', headers: {} } as never, true),
  'registering a client': (url) =>
    findClient(
      {
        settings: { callbackUrl: `${url}/callback`, clientMetadataUrl: '' },
        database: {
          admin: {
            call: async (name: string) =>
              name === 'lease_oauth_client' ? { status: 'register', id: 1, lease_id: 'l' } : null,
          },
        },
        clock: systemClock,
      } as never,
      fetch,
      { organizationId: 1, userId: 'u' },
      { document: metadata(url), kept: metadata(url) },
      undefined,
    ),
  'exchanging a code': (url) =>
    exchangeCode(tokenRequest(url), { code: 'c', codeVerifier: 'v', redirectUri: url }),
  'refreshing tokens': (url) => refreshTokens(tokenRequest(url), 'r'),
  'revoking tokens': async (url) => {
    const logged: unknown[] = []
    const request = { ...tokenRequest(url), fetch: patient }
    await revokeTokens({ log: ({ event }) => logged.push(event) }, request, tokens)
    return { code: logged[0] ?? 'revoked' }
  },
  'testing a provider’s key': (url) =>
    createKeyTest(addresses(url), { clock: clockFor(url) })('openrouter', 'sk-or-v1-x'),
  'testing a service account': (url) =>
    createKeyTest(addresses(url), { clock: clockFor(url) })('vertex-ai', accountOf(url)),
  'exchanging a service account': (url) =>
    new ServiceAccountTokens(parseServiceAccount(accountOf(url))).token({
      fetch: globalThis.fetch,
      clock: clockFor(url),
    }),
  'asking a model': (url) =>
    streamModel(
      resolveAdapter('openrouter', { openrouter: { apiKey: 'sk-or-v1-x', baseUrl: url } }),
      { model: 'm', config: {}, systemPrompts: [], messages: [hello], params: {} },
      () => undefined,
      { clock: clockFor(url) },
    ),
  'reading the keys of tokens': (url) => verifier(url)(bearer('ES256', url)),
  'asking Auth about a token': (url) => verifier(url)(bearer('HS256', url)),
  'calling the database': (url) =>
    database(url).admin.call('renew_execution_lease', { organization_id: 1, execution_id: 'x' }),
}

const ends: Record<string, Record<string, unknown>> = {}
const code = (end: unknown) => {
  const { code, error_code } = (end ?? {}) as { code?: unknown; error_code?: unknown }
  return code ?? error_code ?? String(end)
}
await Promise.all(
  Object.entries(clients).flatMap(([name, go]) =>
    (JSON.parse(servers) as string[]).map(async (server) => {
      const end = await go(`${origin}/${server}`).catch((error: unknown) => error)
      ends[name] = { ...ends[name], [server]: code(end) }
    }),
  ),
)
clearInterval(collecting)
console.log(JSON.stringify(ends))
