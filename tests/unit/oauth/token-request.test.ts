import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { revokeTokens } from '../../../supabase/functions/_shared/oauth/revoke-tokens.ts'
import {
  exchangeCode,
  GrantRefused,
  refreshTokens,
} from '../../../supabase/functions/_shared/oauth/token-request.ts'
import { OutboundError } from '../../../supabase/functions/_shared/outbound/error.ts'
import type { OutboundFetch } from '../../../supabase/functions/_shared/outbound/outbound.ts'
import { stoppedClock } from '../../support/clocks.ts'
import { scriptedFetch } from '../../support/oauth/scripted-fetch.ts'

const token = 'https://as.example/token'
const revocation = 'https://as.example/revoke'
const metadata = {
  issuer: 'https://as.example',
  authorization_endpoint: 'https://as.example/authorize',
  token_endpoint: token,
  revocation_endpoint: revocation,
  response_types_supported: ['code'],
}

function asking(answer: unknown, source: 'dynamic' | 'preregistered' = 'dynamic') {
  const fetch = scriptedFetch({ [token]: answer, [revocation]: new Response() })
  const client = {
    clientId: 'c',
    clientSecret: undefined,
    authMethod: 'none',
    row: { id: 1, source },
  } as const
  const request = {
    metadata,
    client,
    resource: 'https://mcp.example/',
    fetch,
    clock: stoppedClock,
    log: () => undefined,
  }
  return { fetch, request }
}
const refresh = (answer: unknown, source?: 'dynamic' | 'preregistered') =>
  refreshTokens(asking(answer, source).request, 'old')
const failing = (answer: unknown, source?: 'dynamic' | 'preregistered') =>
  refresh(answer, source).then(
    () => expect.fail('accepted'),
    (error: unknown) =>
      error instanceof GrantRefused
        ? `${error.what} ${error.code}`
        : error instanceof AppError
          ? error.code
          : String(error),
  )
const json = (status: number, body: unknown, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers })

describe('a token answer', () => {
  const good = { access_token: 'new', token_type: 'Bearer' }
  it.each([
    ['scope null', { ...good, scope: null }, { scope: null }],
    ['scope as a list', { ...good, scope: ['a', 'b'] }, { scope: 'a b' }],
    ['no time', { ...good, expires_in: null }, { expiresIn: null }],
    ['time as a text', { ...good, expires_in: '3600' }, { expiresIn: 3_600 }],
    ['time that is none', { ...good, expires_in: 'soon' }, { expiresIn: null }],
    ['time that is over', { ...good, expires_in: -5 }, { expiresIn: null }],
    ['time 0', { ...good, expires_in: 0 }, { expiresIn: null }],
    ['time 0 as a text', { ...good, expires_in: '0' }, { expiresIn: null }],
    ['time below a second', { ...good, expires_in: 0.5 }, { expiresIn: 1 }],
    ['blanks around its type', { ...good, token_type: ' bearer ' }, {}],
    [
      'the form of a form',
      new Response('access_token=new&token_type=bearer&expires_in=60&scope=a+b', {
        headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
      }),
      { expiresIn: 60, scope: 'a b' },
    ],
    [
      'the form of a form and another type',
      new Response('access_token=new&scope=a%20b&expires_in=\n'),
      { expiresIn: null, scope: 'a b' },
    ],
    [
      'the form of JSON and the type of a form',
      new Response(JSON.stringify({ ...good, expires_in: 60 }), {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
      { expiresIn: 60 },
    ],
    ['a byte order mark', new Response(`\uFEFF${JSON.stringify(good)}`), {}],
    ['the status 201', json(201, good), {}],
    ['no type', { access_token: 'new' }, {}],
    ['type null', { ...good, token_type: null }, {}],
    ['type of another case', { ...good, token_type: 'BEARER' }, {}],
    ['refresh token null', { ...good, refresh_token: null }, { refreshToken: 'old' }],
    ['refresh token rotated', { ...good, refresh_token: 'next' }, { refreshToken: 'next' }],
    ['an error that is null', { ...good, error: null }, {}],
    ['what is unknown', { ...good, id_token: 7, issued_token_type: [] }, {}],
  ])('with %s is used', async (_what, answer, expected) => {
    expect(await refresh(answer)).toMatchObject({ accessToken: 'new', ...expected })
  })

  it('carries resource and grant in the request, and follows no redirect to another origin', async () => {
    const { fetch, request } = asking(good)
    const code = { code: 'k', codeVerifier: 'v', redirectUri: 'https://us.example/cb' }
    await exchangeCode(request, code)
    expect(Object.fromEntries(new URLSearchParams(fetch.requested[0]?.body))).toEqual({
      grant_type: 'authorization_code',
      code: 'k',
      code_verifier: 'v',
      redirect_uri: 'https://us.example/cb',
      resource: 'https://mcp.example/',
      client_id: 'c',
    })
    const elsewhere = new Response(null, {
      status: 307,
      headers: { location: 'https://evil.example/' },
    })
    const redirected = asking(elsewhere)
    await expect(refreshTokens(redirected.request, 'old')).rejects.toThrow(AppError)
    expect(redirected.fetch.requested.map(({ url }) => url)).toEqual([token])
  })

  it.each([
    ['of another type', { access_token: 'new', token_type: 'DPoP', refresh_token: 'next' }],
    ['that no header carries', { access_token: 'né', refresh_token: 'next' }],
    ['of megabytes', { access_token: 'x'.repeat(20_000), refresh_token: 'next' }],
  ])('%s is given back: nobody else would end the grant', async (_what, answer) => {
    const { fetch, request } = asking(answer)
    await expect(refreshTokens(request, 'old')).rejects.toMatchObject({
      code: 'authorization_server_error',
    })
    const revoked = fetch.requested.filter(({ url }) => url === revocation)
    expect(revoked.map(({ body }) => new URLSearchParams(body).get('token'))).toEqual([
      'next',
      answer.access_token,
    ])
  })
})

it('a revocation follows no redirect to another origin, and is not taken for done', async () => {
  const { request } = asking({})
  const redirects: unknown[] = []
  const fetch: OutboundFetch = async (_url, init) => {
    redirects.push(init?.redirect)
    return new Response(null, { status: 307, headers: { location: 'https://evil.example/' } })
  }
  const tokens = { accessToken: 'a', refreshToken: 'r' }
  expect(await revokeTokens(request, { ...request, fetch }, tokens)).toBe(false)
  expect(redirects).toEqual(['manual', 'manual'])
})

describe('a refused refresh is final', () => {
  it.each([
    ['invalid_grant', json(400, { error: 'invalid_grant' })],
    ['invalid_grant', json(401, { error: 'invalid_grant', error_description: null })],
    ['bad_refresh_token', json(200, { error: 'bad_refresh_token' })],
    ['invalid_grant', json(200, { error: 'invalid_grant', access_token: null })],
    ['unauthorized_client', json(403, { error: 'unauthorized_client' })],
    ['invalid_grant', json(400, { error: 'INVALID_GRANT' })],
    ['invalid_grant', new Response('error=invalid_grant&error_description=x+y', { status: 400 })],
    ['interaction_required', json(400, { error: 'interaction_required' })],
  ])('by %s', async (code, answer) => {
    expect(await failing(answer)).toBe(`grant ${code}`)
  })

  it('for the client by invalid_client, and of a client that was entered also by unauthorized_client', async () => {
    expect(await failing(json(401, { error: 'invalid_client' }))).toBe('client invalid_client')
    const entered = await failing(json(403, { error: 'unauthorized_client' }), 'preregistered')
    expect(entered).toBe('client unauthorized_client')
  })
})

describe('a refusal that says nothing of the grant is not final', () => {
  it.each([
    ['authorization_server_unreachable', json(500, { error: 'invalid_grant' })],
    ['authorization_server_unreachable', json(503, {})],
    ['authorization_server_unreachable', json(400, { error: 'temporarily_unavailable' })],
    ['authorization_server_busy', json(429, { error: 'invalid_grant' })],
    ['authorization_server_refused', json(400, { error: 'invalid_target' })],
    ['authorization_server_refused', json(400, { error: { code: 'odd' } })],
    ['authorization_server_refused', new Response('<h1>no</h1>', { status: 403 })],
    ['authorization_server_error', new Response('<h1>yes</h1>')],
    ['authorization_server_error', json(200, {})],
    ['authorization_server_unreachable', new OutboundError('timeout', 'x')],
  ])('%s', async (code, answer) => {
    expect(await failing(answer)).toBe(code)
  })

  it('and says when to try again', async () => {
    const answer = json(429, {}, { 'retry-after': '7' })
    await expect(refresh(answer)).rejects.toMatchObject({ headers: { 'retry-after': '7' } })
  })
})
