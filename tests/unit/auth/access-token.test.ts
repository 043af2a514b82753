import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  exportJWK,
  exportPKCS8,
  exportSPKI,
  generateKeyPair,
  importPKCS8,
  SignJWT,
  type CryptoKey,
  type JWK,
} from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAccessTokenVerifier } from '../../../supabase/functions/_shared/auth/access-token.ts'

const supabaseUrl = 'https://project.test'
const secret = new TextEncoder().encode('a secret of thirty-two bytes, or more')
const oct: JWK = {
  kty: 'oct',
  k: Buffer.from(secret).toString('base64url'),
  alg: 'HS256',
  kid: 'hs',
}
const userId = '5b1b7a64-6e8d-4c8b-9a6e-3f1f1d6a0001'
const sessionId = '5b1b7a64-6e8d-4c8b-9a6e-3f1f1d6a0002'
const now = Math.floor(Date.now() / 1000)

let rsa: { publicKey: CryptoKey; privateKey: CryptoKey; jwk: JWK }
let ec: { privateKey: CryptoKey; jwk: JWK }

beforeAll(async () => {
  const rsaPair = await generateKeyPair('RS256', { extractable: true })
  rsa = { ...rsaPair, jwk: { ...(await exportJWK(rsaPair.publicKey)), kid: 'rs' } }
  const ecPair = await generateKeyPair('ES256', { extractable: true })
  ec = { ...ecPair, jwk: { ...(await exportJWK(ecPair.publicKey)), kid: 'es', alg: 'ES256' } }
})

const claims = {
  iss: `${supabaseUrl}/auth/v1`,
  aud: 'authenticated',
  exp: now + 3600,
  sub: userId,
  role: 'authenticated',
  session_id: sessionId,
  organization_id: 7,
}

function sign(
  payload: Record<string, unknown>,
  header: { alg: string; kid?: string } = { alg: 'HS256', kid: 'hs' },
  key: CryptoKey | Uint8Array = secret,
) {
  return new SignJWT(payload).setProtectedHeader(header).sign(key)
}

const verify = (token: string | null, jwks: JWK[] | null = [oct], url = supabaseUrl) => {
  const verifier = createAccessTokenVerifier({
    supabaseUrl: url,
    jwtIssuer: `${url}/auth/v1`,
    publishableKey: 'sb_publishable_a',
    jwks: jwks && { keys: jwks },
  })
  return verifier(new Headers(token === null ? {} : { authorization: `Bearer ${token}` }))
}

const refused = { code: 'unauthorized', status: 401 }
const invalidToken = {
  ...refused,
  headers: { 'www-authenticate': 'Bearer realm="colloquy", error="invalid_token"' },
}

describe('an access token', () => {
  it('says who calls, with its keys of every kind', async () => {
    const token = await sign(claims)
    expect(await verify(token)).toEqual({
      userId,
      sessionId,
      organizationId: 7,
      isGuest: false,
      accessToken: token,
    })
    const keys = [oct, rsa.jwk, ec.jwk]
    await expect(
      verify(await sign(claims, { alg: 'RS256', kid: 'rs' }, rsa.privateKey), keys),
    ).resolves.toMatchObject({ userId })
    await expect(
      verify(await sign(claims, { alg: 'ES256', kid: 'es' }, ec.privateKey), keys),
    ).resolves.toMatchObject({ userId })
  })

  it('may have no key id when only one key fits', async () => {
    const token = await sign(claims, { alg: 'HS256' })
    await expect(verify(token, [oct, rsa.jwk])).resolves.toMatchObject({ userId })
    await expect(verify(token, [oct, { ...oct, kid: 'other' }])).rejects.toMatchObject(invalidToken)
  })

  it('that is missing is refused with a challenge without an error (RFC 6750, 3.1)', async () => {
    const challenge = { ...refused, headers: { 'www-authenticate': 'Bearer realm="colloquy"' } }
    await expect(verify(null)).rejects.toMatchObject(challenge)
    await expect(verify('')).rejects.toMatchObject(challenge)
  })

  it.each([
    ['nonsense', 'nonsense'],
    ['three parts of nonsense', 'a.b.c'],
    ['a key of the project', 'sb_publishable_abc'],
  ])('that is %s is refused', async (_, token) => {
    await expect(verify(token)).rejects.toMatchObject(refused)
  })

  it.each([
    ['has expired', { exp: now - 60 }],
    ['never expires', { exp: undefined }],
    ['is not valid yet', { nbf: now + 600 }],
    ['is from another issuer', { iss: 'https://other.test/auth/v1' }],
    ['has the issuer of another path', { iss: supabaseUrl }],
    ['has no issuer', { iss: undefined }],
    ['is for another audience', { aud: 'other' }],
    ['has no audience', { aud: undefined }],
    ['is of role anon', { role: 'anon' }],
    ['is of role service_role', { role: 'service_role' }],
    ['has no role', { role: undefined }],
    ['has no session', { session_id: undefined }],
    ['has a session that is no uuid', { session_id: 'x' }],
    ['has no user', { sub: undefined }],
    ['has a user that is no uuid', { sub: 'x' }],
  ])('that %s is refused', async (_, change) => {
    await expect(verify(await sign({ ...claims, ...change }))).rejects.toMatchObject(invalidToken)
  })

  it('that another key signed is refused', async () => {
    const other = new TextEncoder().encode('another secret of thirty-two bytes...')
    await expect(verify(await sign(claims, undefined, other))).rejects.toMatchObject(invalidToken)
    const unknown = await sign(claims, { alg: 'HS256', kid: 'unknown' })
    await expect(verify(unknown)).rejects.toMatchObject(invalidToken)
  })

  it('whose payload was changed is refused', async () => {
    const [header, , signature] = (await sign(claims)).split('.')
    const payload = Buffer.from(JSON.stringify({ ...claims, organization_id: 8 }))
    const forged = `${header}.${payload.toString('base64url')}.${signature}`
    await expect(verify(forged)).rejects.toMatchObject(invalidToken)
  })

  it.each(['none', 'None', 'NONE'])('of algorithm %s is refused', async (alg) => {
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const token = `${encode({ alg, typ: 'JWT' })}.${encode(claims)}.`
    await expect(verify(token)).rejects.toMatchObject(refused)
  })

  it('that uses an RSA public key as an HMAC secret is refused (RFC 8725, 2.1)', async () => {
    const pem = new TextEncoder().encode(await exportSPKI(rsa.publicKey))
    const jwkText = new TextEncoder().encode(JSON.stringify(rsa.jwk))
    for (const key of [pem, jwkText]) {
      const token = await sign(claims, { alg: 'HS256', kid: 'rs' }, key)
      await expect(verify(token, [rsa.jwk])).rejects.toMatchObject(invalidToken)
      const unnamed = await sign(claims, { alg: 'HS256' }, key)
      await expect(verify(unnamed, [oct, rsa.jwk])).rejects.toMatchObject(invalidToken)
    }
  })

  it('of a key that is meant for another algorithm or use is refused', async () => {
    const token = await sign(claims)
    for (const change of [{ alg: 'HS512' }, { use: 'enc' }]) {
      await expect(verify(token, [{ ...oct, ...change }])).rejects.toMatchObject(invalidToken)
    }
  })

  it('of an algorithm that does not belong to its key is refused', async () => {
    const token = await sign(
      claims,
      { alg: 'RS512', kid: 'rs' },
      (await generateKeyPair('RS512')).privateKey,
    )
    await expect(verify(token, [rsa.jwk])).rejects.toMatchObject(invalidToken)
    const long = await sign(claims, { alg: 'HS512', kid: 'hs' }, new Uint8Array(64))
    await expect(verify(long)).rejects.toMatchObject(invalidToken)
  })

  it.each([undefined, null, 0, -1, 1.5, '', 'x', '1e3', [], [7], {}, true, '1'.repeat(30)])(
    'with organization_id %j has no organization',
    async (organization_id) => {
      await expect(verify(await sign({ ...claims, organization_id }))).rejects.toMatchObject({
        code: 'no_organization',
        status: 403,
      })
    },
  )
})

describe('the key endpoint', () => {
  let respond: () => { status: number; body: string }
  const paths: string[] = []
  const server = createServer((request, response) => {
    paths.push(request.url ?? '')
    const { status, body } = respond()
    response.writeHead(status, { 'content-type': 'application/json' }).end(body)
  })
  let url: string

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => new Promise((resolve) => server.close(resolve)))

  const signed = (header = { alg: 'ES256', kid: 'es' }) =>
    sign({ ...claims, iss: `${url}/auth/v1` }, header, ec.privateKey)

  it('the keys of the issuer decide', async () => {
    respond = () => ({ status: 200, body: JSON.stringify({ keys: [ec.jwk] }) })
    await expect(verify(await signed(), null, url)).resolves.toMatchObject({ userId })
    expect(paths).toEqual(['/auth/v1/.well-known/jwks.json'])
    const unknown = await signed({ alg: 'ES256', kid: 'unknown' })
    await expect(verify(unknown, null, url)).rejects.toMatchObject(invalidToken)
  })

  it.each([
    ['an older set', () => [oct, rsa.jwk]],
    ['an empty set', () => []],
  ] as const)('a key that %s lacks is looked up there', async (_, local) => {
    respond = () => ({ status: 200, body: JSON.stringify({ keys: [ec.jwk] }) })
    await expect(verify(await signed(), [...local()], url)).resolves.toMatchObject({ userId })
    const unknown = await signed({ alg: 'ES256', kid: 'unknown' })
    await expect(verify(unknown, [...local()], url)).rejects.toMatchObject(invalidToken)
  })

  it('an algorithm we do not use is refused, though its key would fit', async () => {
    respond = () => ({ status: 200, body: JSON.stringify({ keys: [rsa.jwk] }) })
    const payload = { ...claims, iss: `${url}/auth/v1` }
    const pkcs8 = await exportPKCS8(rsa.privateKey)
    const tokenOf = async (alg: string) =>
      sign(payload, { alg, kid: 'rs' }, await importPKCS8(pkcs8, alg))
    await expect(verify(await tokenOf('RS256'), null, url)).resolves.toMatchObject({ userId })
    for (const alg of ['RS512', 'PS256']) {
      await expect(verify(await tokenOf(alg), null, url)).rejects.toMatchObject(invalidToken)
    }
  })

  it('a symmetric key published there is never used', async () => {
    const token = await sign({ ...claims, iss: `${url}/auth/v1` })
    respond = () =>
      paths.at(-1) === '/auth/v1/user'
        ? { status: 403, body: '{"error_code":"bad_jwt"}' }
        : { status: 200, body: JSON.stringify({ keys: [oct] }) }
    await expect(verify(token, null, url)).rejects.toMatchObject(invalidToken)
  })

  it.each([
    [500, 'oops'],
    [200, 'oops'],
    [200, '{"keys":"oops"}'],
  ])('an answer %i %s is no verdict on the token', async (status, body) => {
    respond = () => ({ status, body })
    await expect(verify(await signed(), null, url)).rejects.toMatchObject({
      code: 'auth_unavailable',
      status: 503,
    })
  })

  it('an issuer that cannot be reached is no verdict on the token', async () => {
    const token = await signed()
    await expect(verify(token, null, 'http://127.0.0.1:1')).rejects.toMatchObject({
      code: 'auth_unavailable',
    })
  })
})
