import { randomUUID } from 'node:crypto'
import type { OutboundFetch } from '../../../supabase/functions/_shared/outbound/outbound.ts'

interface Grant {
  readonly clientId: string
  refreshToken: string
  isAlive: boolean
}

/** An answer of the token endpoint in place of the right one. */
export type Fault = readonly [status: number, body: Readonly<Record<string, unknown>>]

/**
 * An authorization server and its MCP server, in this process. It takes a refresh token from the client
 * that it was issued to only, with that client's secret, once, and registers as many clients as are
 * asked for.
 */
export class StrictIssuer {
  readonly origin = `https://${randomUUID()}.example`
  readonly endpoint = `${this.origin}/mcp`
  readonly secrets = new Map<string, string>()
  readonly grants: Grant[] = []
  /** Tokens that were revoked. */
  readonly revoked: string[] = []
  /** The parameter resource of each token request; null: it had none. */
  readonly resources: (string | null)[] = []
  /** Answers the next request to the token endpoint. */
  fault: Fault | null = null
  readonly #codes = new Map<string, string>()

  readonly fetch: OutboundFetch = async (url, init = {}) => {
    const { pathname } = new URL(url)
    const form = init.body instanceof URLSearchParams ? init.body : new URLSearchParams()
    const answer = this.#answer(pathname, form)
    return Promise.resolve(answer)
  }

  /** The person signs in and consents. @returns the callback */
  consent(authorizationUrl: URL): URL {
    const { searchParams } = authorizationUrl
    const code = randomUUID()
    this.#codes.set(code, searchParams.get('client_id') ?? '')
    const callback = new URL(searchParams.get('redirect_uri') ?? '')
    callback.searchParams.set('code', code)
    callback.searchParams.set('state', searchParams.get('state') ?? '')
    callback.searchParams.set('iss', this.origin)
    return callback
  }

  #answer(path: string, form: URLSearchParams): Response {
    const { origin, endpoint } = this
    switch (path) {
      case '/mcp':
        return new Response(null, { status: 401, headers: { 'www-authenticate': 'Bearer' } })
      case '/.well-known/oauth-protected-resource/mcp':
        return Response.json({ resource: endpoint, authorization_servers: [origin] })
      case '/.well-known/oauth-authorization-server':
        return Response.json({
          issuer: origin,
          authorization_endpoint: `${origin}/authorize`,
          token_endpoint: `${origin}/token`,
          registration_endpoint: `${origin}/register`,
          revocation_endpoint: `${origin}/revoke`,
          response_types_supported: ['code'],
          code_challenge_methods_supported: ['S256'],
          token_endpoint_auth_methods_supported: ['client_secret_post'],
          authorization_response_iss_parameter_supported: true,
        })
      case '/register':
        return Response.json(this.#register(), { status: 201 })
      case '/token': {
        this.resources.push(form.get('resource'))
        const { fault } = this
        this.fault = null
        return fault ? Response.json(fault[1], { status: fault[0] }) : this.#token(form)
      }
      case '/revoke':
        this.revoked.push(form.get('token') ?? '')
        return new Response(null)
      default:
        return new Response(null, { status: 404 })
    }
  }

  #register() {
    const client_id = randomUUID()
    const client_secret = randomUUID()
    this.secrets.set(client_id, client_secret)
    return { client_id, client_secret, token_endpoint_auth_method: 'client_secret_post' }
  }

  #token(form: URLSearchParams): Response {
    const clientId = form.get('client_id') ?? ''
    if (this.secrets.get(clientId) !== form.get('client_secret')) {
      return Response.json({ error: 'invalid_client' }, { status: 401 })
    }
    const grant = this.#grantOf(form, clientId)
    if (grant?.clientId !== clientId || !grant.isAlive) {
      return Response.json({ error: 'invalid_grant' }, { status: 400 })
    }
    grant.refreshToken = randomUUID()
    const tokens = { access_token: randomUUID(), refresh_token: grant.refreshToken }
    return Response.json({ ...tokens, token_type: 'Bearer', expires_in: 3_600 })
  }

  #grantOf(form: URLSearchParams, clientId: string): Grant | undefined {
    if (form.get('grant_type') === 'refresh_token') {
      return this.grants.find(({ refreshToken }) => refreshToken === form.get('refresh_token'))
    }
    const code = form.get('code') ?? ''
    if (this.#codes.get(code) !== clientId) return undefined
    this.#codes.delete(code)
    const grant = { clientId, refreshToken: '', isAlive: true }
    this.grants.push(grant)
    return grant
  }
}
