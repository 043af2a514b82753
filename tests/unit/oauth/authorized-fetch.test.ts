import { describe, expect, it } from 'vitest'
import { AppError, type ErrorCode } from '../../../supabase/functions/_shared/errors.ts'
import { createAuthorizedFetch } from '../../../supabase/functions/_shared/oauth/authorized-fetch.ts'
import type {
  Credential,
  Credentials,
} from '../../../supabase/functions/_shared/oauth/credentials.ts'
import { scriptedFetch } from '../../support/oauth/scripted-fetch.ts'

const endpoint = 'https://mcp.example/mcp'
const metadata = 'https://mcp.example/.well-known/oauth-protected-resource/mcp'
const refused = new Response(null, {
  status: 401,
  headers: { 'www-authenticate': `Bearer resource_metadata="${metadata}"` },
})
const credential: Credential = {
  ...{ token: 't', generation: 1, endpoint, query: null, headers: {}, allowedHosts: null },
  ...{ expiresAt: null, issuer: 'https://as.example' },
}

/** The code of a call to a server that answers 401, and the code that the connection ends with. */
async function call(issuers: unknown, renewed: Credential | ErrorCode = credential) {
  const ended: ErrorCode[] = []
  const credentials = {
    get: (_: unknown, rejected?: number) =>
      rejected === undefined || typeof renewed !== 'string'
        ? Promise.resolve(credential)
        : Promise.reject(new AppError(renewed)),
    end: (_key: unknown, _generation: number, code: ErrorCode) => Promise.resolve(ended.push(code)),
  } as unknown as Credentials
  const fetch = scriptedFetch({
    [endpoint]: refused,
    [metadata]: { resource: endpoint, authorization_servers: issuers },
  })
  const deps = { database: {} as never, outbound: () => fetch }
  const key = { organizationId: 1, userId: 'u', configurationId: 1 }
  const code = await createAuthorizedFetch(
    deps,
    credentials,
    key,
  )(endpoint).then(
    () => 'none',
    (error: AppError) => error.code,
  )
  return { code, ended }
}

describe('a server that refuses refreshed tokens', () => {
  it.each([
    ['names the same authorization server', ['https://as.example/']],
    ['names none', []],
    ['has metadata that cannot be read', null],
  ])('and %s asks for a new authorization', async (_, issuers) => {
    expect(await call(issuers)).toEqual({
      code: 'connection_needs_authorization',
      ended: ['connection_needs_authorization'],
    })
  })

  it('and names another authorization server has moved', async () => {
    expect(await call(['https://other.example'])).toEqual({
      code: 'authorization_server_changed',
      ended: ['authorization_server_changed'],
    })
  })

  it('has moved too when the old authorization server ended the grant', async () => {
    const over = 'connection_needs_authorization'
    expect((await call(['https://other.example'], over)).code).toBe('authorization_server_changed')
    expect((await call(['https://as.example'], over)).code).toBe(over)
    const passing = 'authorization_server_unreachable'
    expect((await call(['https://other.example'], passing)).code).toBe(passing)
  })
})
