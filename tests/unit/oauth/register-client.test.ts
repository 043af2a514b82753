import { describe, expect, it } from 'vitest'
import {
  readIssuerDocument,
  readResourceDocument,
} from '../../../supabase/functions/_shared/oauth/read-document.ts'
import { readTokenAnswer } from '../../../supabase/functions/_shared/oauth/read-token-answer.ts'
import { registerClient } from '../../../supabase/functions/_shared/oauth/register-client.ts'
import { stoppedClock } from '../../support/clocks.ts'
import { hostileJson, seeded } from '../../support/hostile-json.ts'
import { type Requested, scriptedFetch } from '../../support/oauth/scripted-fetch.ts'

const issuer = {
  issuer: 'https://as.example',
  authorization_endpoint: 'https://as.example/authorize',
  token_endpoint: 'https://as.example/token',
  response_types_supported: ['code'],
  code_challenge_methods_supported: ['S256'],
}

describe('a registration', () => {
  const registration = 'https://as.example/register'
  const document = { ...issuer, registration_endpoint: registration }
  const register = async (answer: unknown) => {
    const fetch = scriptedFetch({ [registration]: answer })
    const wanted = { document, redirectUri: 'https://us.example/cb', scope: 'a b' }
    const client = registerClient({ fetch, clock: stoppedClock }, wanted)
    return { fetch, client: await client }
  }
  const refused = (status: number, error: unknown) =>
    new Response(JSON.stringify({ error, error_description: 'secret' }), { status })

  it.each([
    [{ client_id: 'c', client_secret: null, client_secret_expires_at: null }],
    [{ client_id: 'c', token_endpoint_auth_method: null, grant_types: null, scope: 7 }],
    [{ client_id: 'c', redirect_uris: null, client_secret: '' }],
  ])('answered with %j is used', async (answer) => {
    const { client } = await register(answer)
    expect(client).toEqual({
      clientId: 'c',
      clientSecret: null,
      authMethod: null,
      secretExpiresAt: null,
    })
  })

  it('answered with a number for an id is used', async () => {
    expect((await register({ client_id: 12345 })).client.clientId).toBe('12345')
  })

  it.each([
    [400, 'invalid_client_metadata'],
    [422, [{ loc: ['body', 'application_type'] }]],
  ])(
    'that refuses with %i what it need not know is repeated with the least, and with the scopes',
    async (status, error) => {
      const { fetch, client } = await register(({ body }: Requested) =>
        body.includes('application_type') || !body.includes('"scope":"a b"')
          ? refused(status, error)
          : { client_id: 'c' },
      )
      expect(client.clientId).toBe('c')
      expect(fetch.requested).toHaveLength(2)
    },
  )

  it.each([
    [400, 'invalid_redirect_uri', 'registration_failed', 1],
    [400, 'invalid_client_metadata', 'registration_failed', 2],
    [403, 'access_denied', 'registration_failed', 1],
    [429, 'x', 'authorization_server_busy', 1],
    [503, 'x', 'authorization_server_unreachable', 1],
  ])('refused with %i %s says %s, its code and a way out', async (status, error, code) => {
    const failed = await register(refused(status, error)).catch((thrown: unknown) => thrown)
    expect(failed).toMatchObject({ code })
    if (code !== 'registration_failed') return
    expect(failed).toMatchObject({ details: { error } })
    expect((failed as Error).message).toContain('https://us.example/cb')
    expect((failed as Error).message).not.toContain('secret')
  })
})

it(
  '30,000 hostile documents and answers are read without a throw, within every limit',
  { timeout: 120_000 },
  () => {
    const random = seeded(4)
    const names = [
      'issuer',
      'authorization_endpoint',
      'token_endpoint',
      'scopes_supported',
      'resource',
      'authorization_servers',
      'access_token',
      'token_type',
      'bearer',
      'refresh_token',
      'scope',
      'expires_in',
      'error',
    ]
    let used = 0
    for (let round = 0; round < 10_000; round += 1) {
      const given = hostileJson(random, names)
      const needed = {
        issuer: 'a',
        authorization_endpoint: 'https://b',
        token_endpoint: 'https://c',
        resource: 'd',
        access_token: 't',
      }
      const value = random() < 0.3 ? given : { ...needed, ...(given as object | null) }
      const answer = readTokenAnswer(value)
      const documents = [readIssuerDocument(value), readResourceDocument(value)]
      if ('tokens' in answer) {
        const { accessToken, scope, expiresIn } = answer.tokens
        if (accessToken.length > 16_384 || (scope?.length ?? 0) > 4_096) expect.fail('too long')
        if (expiresIn !== null && !(expiresIn >= 1 && Number.isInteger(expiresIn)))
          expect.fail('time')
      }
      for (const document of documents) {
        if (typeof document === 'string') continue
        used += 1
        for (const text of Object.values(document).flat()) {
          if (typeof text === 'string' && text.length > 2_048) expect.fail('too long')
        }
      }
    }
    expect(used).toBeGreaterThan(2_000)
  },
)
