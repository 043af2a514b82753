import { Readable } from 'node:stream'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { exportJWK, generateKeyPair } from 'jose'
import Provider, { type Configuration } from 'oidc-provider'
import { listen, readBody } from './http-server.ts'

/** One request to the token endpoint, as it came. */
export type TokenRequest = Readonly<Record<string, string>>

type Intercept = (
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
) => boolean | Promise<boolean>

export interface Issuer {
  readonly url: string
  readonly provider: Provider
  readonly tokenRequests: TokenRequest[]
  readonly revocations: TokenRequest[]
  /** Client ids in order of registration. */
  readonly registrations: string[]
  /** Sees every request first; true means that it has answered. */
  intercept: Intercept | null
  /** Changes the metadata document that is sent out. */
  changeMetadata: ((metadata: Record<string, unknown>) => Record<string, unknown>) | null
}

export interface IssuerOptions {
  /** Seconds. */
  readonly accessTokenLifetime?: number
  readonly registration?: boolean
  /** Clients that it knows, by its address. */
  readonly clients?: (issuer: string) => NonNullable<Configuration['clients']>
  /** Scopes that resources have. */
  readonly scopes?: string
}

/**
 * An authorization server: oidc-provider with rotation, resource indicators, registration,
 * revocation and `iss`. It signs every visitor in as `account`, who consents.
 */
export async function startIssuer(options: IssuerOptions = {}): Promise<Issuer> {
  const {
    accessTokenLifetime = 3_600,
    registration = true,
    scopes = 'mcp:tools mcp:admin',
  } = options
  let callback: ReturnType<Provider['callback']> = async (_, response) => {
    response.writeHead(503).end()
  }
  const { origin } = await listen((request, response) => {
    void route(request, response)
  })
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const configuration: Configuration = {
    clients: options.clients?.(origin) ?? [],
    scopes: ['openid', 'offline_access', ...scopes.split(' ')],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig' }] },
    cookies: { keys: ['test'] },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: registration },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => ({
          scope: scopes,
          audience: resource,
          accessTokenFormat: 'opaque',
          accessTokenTTL: accessTokenLifetime,
        }),
      },
    },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    ttl: {
      AuthorizationCode: 3_600,
      Grant: 86_400,
      Interaction: 3_600,
      Session: 86_400,
      RefreshToken: 86_400,
    },
    findAccount: async (_, sub) => ({ accountId: sub, claims: async () => ({ sub }) }),
  }
  const provider = new Provider(origin, configuration)
  callback = provider.callback()
  const issuer: Issuer = {
    url: origin,
    provider,
    tokenRequests: [],
    revocations: [],
    registrations: [],
    intercept: null,
    changeMetadata: null,
  }
  provider.on('registration_create.success', (_, client) => {
    issuer.registrations.push(client.clientId)
  })

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? ''
    const body = request.method === 'POST' ? await readBody(request) : ''
    const form = Object.fromEntries(new URLSearchParams(body))
    if (url === '/token') issuer.tokenRequests.push(form)
    if (url === '/token/revocation') issuer.revocations.push(form)
    if (await issuer.intercept?.(request, response, body)) return
    if (url.startsWith('/.well-known/') && issuer.changeMetadata) {
      const metadata = await fetchMetadata(request)
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(issuer.changeMetadata(metadata)))
      return
    }
    const replayed = Object.assign(Readable.from(body === '' ? [] : [Buffer.from(body)]), {
      method: request.method,
      url,
      headers: request.headers,
      socket: request.socket,
      connection: request.socket,
      httpVersion: '1.1',
      complete: true,
    }) as unknown as IncomingMessage
    if (url.startsWith('/interaction/')) await consent(provider, replayed, response)
    else await callback(replayed, response)
  }

  async function fetchMetadata(request: IncomingMessage): Promise<Record<string, unknown>> {
    const change = issuer.changeMetadata
    issuer.changeMetadata = null
    const answer = await fetch(`${origin}${request.url ?? ''}`)
    issuer.changeMetadata = change
    return (await answer.json()) as Record<string, unknown>
  }
  return issuer
}

/** Signs in and grants what was asked for. */
async function consent(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { params } = await provider.interactionDetails(request, response)
  const accountId = 'account'
  const grant = new provider.Grant({ accountId, clientId: String(params.client_id) })
  const scope = typeof params.scope === 'string' ? params.scope : ''
  if (scope !== '') grant.addOIDCScope(scope)
  if (typeof params.resource === 'string') grant.addResourceScope(params.resource, scope)
  const grantId = await grant.save()
  await provider.interactionFinished(
    request,
    response,
    { login: { accountId }, consent: { grantId } },
    { mergeWithLastSubmission: false },
  )
}
