import { SignJWT, type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { createAccessTokenVerifier } from '../../../supabase/functions/_shared/auth/access-token.ts'

const supabaseUrl = 'http://kong:8000'
const jwtIssuer = 'https://project.test/auth/v1'
const userId = '5b1b7a64-6e8d-4c8b-9a6e-3f1f1d6a0001'
const now = Math.floor(Date.now() / 1000)
const secret = new TextEncoder().encode('a secret that no function holds, of 32 bytes')
const standby: JWK = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid: 'standby' }

const claims = {
  iss: jwtIssuer,
  aud: 'authenticated',
  exp: now + 3600,
  sub: userId,
  role: 'authenticated',
  session_id: '5b1b7a64-6e8d-4c8b-9a6e-3f1f1d6a0002',
  organization_id: 7,
}
const sign = (
  change: Record<string, unknown> = {},
  header: { alg: string; kid?: string } = { alg: 'HS256' },
) => new SignJWT({ ...claims, ...change }).setProtectedHeader(header).sign(secret)

/** A verifier of a project without a shared secret, and what its Auth was asked. */
function project(answer: () => Response, keys: JWK[] | null = []) {
  const asked: Request[] = []
  const verify = createAccessTokenVerifier({
    supabaseUrl,
    jwtIssuer,
    publishableKey: 'sb_publishable_a',
    jwks: keys && { keys },
    fetch: (input, init) => {
      asked.push(new Request(input, init))
      return Promise.resolve().then(answer)
    },
  })
  return {
    asked,
    verify: (token: string) => verify(new Headers({ authorization: `Bearer ${token}` })),
  }
}

const accepted = () => Response.json({ id: userId })
const refused = { code: 'unauthorized', status: 401 }

describe('a token of a shared secret', () => {
  it.each<[string, JWK[] | null]>([
    ['no key', []],
    ['a standby key beside the secret', [standby]],
    ['no key set', null],
  ])('is verified by Auth where the project has %s', async (_, keys) => {
    const { asked, verify } = project(accepted, keys)
    const token = await sign()
    expect(await verify(token)).toMatchObject({ userId, organizationId: 7, accessToken: token })
    expect(asked.map(({ url }) => url)).toEqual([`${supabaseUrl}/auth/v1/user`])
    expect(asked[0]?.headers.get('apikey')).toBe('sb_publishable_a')
    expect(asked[0]?.headers.get('authorization')).toBe(`Bearer ${token}`)
  })

  it('is asked about once, also by requests at once', async () => {
    const { asked, verify } = project(accepted)
    const token = await sign()
    await Promise.all([verify(token), verify(token)])
    await verify(token)
    expect(asked).toHaveLength(1)
    await verify(await sign({ organization_id: 8 }))
    expect(asked).toHaveLength(2)
  })

  it.each([400, 401, 403, 404])('that Auth refuses with %i is refused', async (status) => {
    const { verify } = project(() => Response.json({ error_code: 'bad_jwt' }, { status }))
    await expect(verify(await sign())).rejects.toMatchObject(refused)
  })

  it('that Auth accepts for another person is refused', async () => {
    const { verify } = project(() => Response.json({ id: claims.session_id }))
    await expect(verify(await sign())).rejects.toMatchObject(refused)
  })

  it.each<[string, () => Response]>([
    ['429', () => new Response(null, { status: 429 })],
    ['500', () => new Response('oops', { status: 500 })],
    ['200 without a person', () => Response.json({})],
    ['200 that is no JSON', () => new Response('oops')],
    [
      'no answer',
      () => {
        throw new TypeError('fetch failed')
      },
    ],
  ])('keeps its worth when Auth answers %s, and is asked about again', async (_, answer) => {
    let isBroken = true
    const { verify } = project(() => (isBroken ? answer() : accepted()))
    const token = await sign()
    await expect(verify(token)).rejects.toMatchObject({ code: 'auth_unavailable', status: 503 })
    isBroken = false
    await expect(verify(token)).resolves.toMatchObject({ userId })
  })

  it.each([
    ['has expired', { exp: now - 60 }],
    ['never expires', { exp: undefined }],
    ['is not valid yet', { nbf: now + 600 }],
    ['has another issuer', { iss: `${supabaseUrl}/auth/v1` }],
    ['has another audience', { aud: 'other' }],
    ['has role service_role', { role: 'service_role' }],
  ])('that %s is refused unasked', async (_, change) => {
    const { asked, verify } = project(accepted)
    await expect(verify(await sign(change))).rejects.toMatchObject(refused)
    expect(asked).toEqual([])
  })

  it('that has no session is refused although Auth accepts it', async () => {
    const { verify } = project(accepted)
    const token = await sign({ session_id: undefined })
    await expect(verify(token)).rejects.toMatchObject(refused)
  })

  it('stays remembered while Auth refuses any number of others', async () => {
    let answer = accepted
    const { asked, verify } = project(() => answer())
    const token = await sign()
    await verify(token)
    answer = () => Response.json({ error_code: 'bad_jwt' }, { status: 403 })
    const forged = await Promise.all(
      Array.from({ length: 1_001 }, (_, jti) => sign({ jti: `${jti}` })),
    )
    const ends = await Promise.allSettled(forged.map((other) => verify(other)))
    expect(ends.filter(({ status }) => status === 'fulfilled')).toEqual([])
    expect(asked).toHaveLength(1_002)
    expect(await verify(token)).toMatchObject({ userId })
    expect(asked).toHaveLength(1_002)
  })

  it('that names an asymmetric key of the project is refused unasked (RFC 8725, 2.1)', async () => {
    const { asked, verify } = project(accepted, [standby])
    const token = await sign({}, { alg: 'HS256', kid: 'standby' })
    await expect(verify(token)).rejects.toMatchObject(refused)
    expect(asked).toEqual([])
  })

  it('of a longer hash is refused unasked', async () => {
    const { asked, verify } = project(accepted)
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS512' })
      .sign(new Uint8Array(64).fill(7))
    await expect(verify(token)).rejects.toMatchObject(refused)
    expect(asked).toEqual([])
  })
})

it('a token of another issuer is refused with both issuers and the variable as the cause', async () => {
  const { verify } = project(accepted)
  await expect(verify(await sign({ iss: 'http://127.0.0.1:54321/auth/v1' }))).rejects.toMatchObject(
    {
      ...refused,
      cause: expect.stringMatching(
        /^the issuer of the token is http:\/\/127\.0\.0\.1:54321\/auth\/v1, not https:\/\/project\.test\/auth\/v1: see JWT_ISSUER$/,
      ) as string,
    },
  )
})
