import { decodeProtectedHeader, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { type ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import { parseServiceAccount } from '../../../supabase/functions/_shared/models/service-account.ts'
import { ServiceAccountTokens } from '../../../supabase/functions/_shared/models/vertex-token.ts'
import { ManualClock } from '../../support/clocks.ts'
import { keyFile, PRIVATE_KEY, PUBLIC_KEY } from './vertex-support.ts'

const MINUTE = 60_000

/** A token endpoint that verifies every assertion as Google does, and counts. */
function tokenEndpoint(
  clock: ManualClock,
  answer: (count: number) => Response = (count) =>
    Response.json({ access_token: `ya29.token-${count}`, expires_in: 3600, token_type: 'Bearer' }),
): { fetch: typeof fetch; count(): number; failures: unknown[] } {
  let count = 0
  const failures: unknown[] = []
  return {
    count: () => count,
    failures,
    async fetch(url, init) {
      count += 1
      try {
        const form = new URLSearchParams(init?.body as URLSearchParams)
        expect(url).toBe('https://oauth2.googleapis.com/token')
        expect(init?.redirect).toBe('manual')
        expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
        const assertion = form.get('assertion') ?? ''
        expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'key-1' })
        const { payload } = await jwtVerify(assertion, PUBLIC_KEY, {
          algorithms: ['RS256'],
          issuer: 'agent@colloquy-test.iam.gserviceaccount.com',
          audience: 'https://oauth2.googleapis.com/token',
          currentDate: new Date(clock.now()),
        })
        const issuedAt = Math.floor(clock.now() / 1000)
        expect(payload).toMatchObject({
          iat: issuedAt,
          exp: issuedAt + 3600,
          scope: 'https://www.googleapis.com/auth/cloud-platform',
        })
      } catch (error) {
        failures.push(error)
      }
      return answer(count)
    },
  }
}

const tokensOf = (overrides?: Record<string, unknown>): ServiceAccountTokens =>
  new ServiceAccountTokens(parseServiceAccount(keyFile(overrides)))

describe('the access token of a service account', () => {
  it('is exchanged for a signed assertion and kept until 5 minutes before expiry', async () => {
    const clock = new ManualClock()
    const endpoint = tokenEndpoint(clock)
    const tokens = tokensOf()
    const context = { fetch: endpoint.fetch, clock }
    expect(await tokens.token(context)).toBe('ya29.token-1')
    clock.advance(55 * MINUTE - 1)
    expect(await tokens.token(context)).toBe('ya29.token-1')
    clock.advance(1)
    expect(await tokens.token(context)).toBe('ya29.token-2')
    expect(endpoint.count()).toBe(2)
    expect(endpoint.failures).toEqual([])
    expect(clock.timers).toBe(0)
  })

  it('is exchanged once for 50 callers at the same moment', async () => {
    const clock = new ManualClock()
    const endpoint = tokenEndpoint(clock)
    const tokens = tokensOf()
    const context = { fetch: endpoint.fetch, clock }
    const all = await Promise.all(Array.from({ length: 50 }, () => tokens.token(context)))
    expect(new Set(all)).toEqual(new Set(['ya29.token-1']))
    expect(endpoint.count()).toBe(1)
  })

  it('is asked for again after it was forgotten', async () => {
    const clock = new ManualClock()
    const context = { fetch: tokenEndpoint(clock).fetch, clock }
    const tokens = tokensOf()
    await tokens.token(context)
    tokens.forget()
    expect(await tokens.token(context)).toBe('ya29.token-2')
  })

  it('of a short life is kept for half of it', async () => {
    const clock = new ManualClock()
    const endpoint = tokenEndpoint(clock, (count) =>
      Response.json({ access_token: `ya29.short-${count}`, expires_in: 60 }),
    )
    const tokens = tokensOf()
    const context = { fetch: endpoint.fetch, clock }
    await tokens.token(context)
    clock.advance(29_999)
    expect(await tokens.token(context)).toBe('ya29.short-1')
    clock.advance(1)
    expect(await tokens.token(context)).toBe('ya29.short-2')
  })

  it('is not blocked by a failure: all who waited fail, the next one tries again', async () => {
    const clock = new ManualClock()
    const endpoint = tokenEndpoint(clock, (count) =>
      count === 1
        ? new Response('down', { status: 503 })
        : Response.json({ access_token: 'ya29.later', expires_in: 3600 }),
    )
    const tokens = tokensOf()
    const context = { fetch: endpoint.fetch, clock }
    const both = await Promise.allSettled([tokens.token(context), tokens.token(context)])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(await tokens.token(context)).toBe('ya29.later')
    expect(endpoint.count()).toBe(2)
  })

  it('does not wait forever for the endpoint', async () => {
    const clock = new ManualClock()
    let asked: () => void = () => undefined
    const asking = new Promise<void>((resolve) => (asked = resolve))
    const silent: typeof fetch = (_, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(new Error('aborted')))
        asked()
      })
    const token = tokensOf().token({ fetch: silent, clock })
    await asking
    clock.advance(10_000)
    await expect(token).rejects.toMatchObject({ code: 'provider_timeout' })
  })

  const refusals: [string, () => Response, string, string][] = [
    [
      '400 invalid_grant',
      () => Response.json({ error: 'invalid_grant' }, { status: 400 }),
      'provider_unauthorized',
      'platform',
    ],
    ['401', () => new Response('no', { status: 401 }), 'provider_unauthorized', 'platform'],
    ['404', () => new Response('no', { status: 404 }), 'provider_unauthorized', 'platform'],
    ['302', () => new Response('', { status: 302 }), 'provider_unauthorized', 'platform'],
    ['429', () => new Response('', { status: 429 }), 'provider_rate_limited', 'provider'],
    ['500', () => new Response('', { status: 500 }), 'provider_error', 'provider'],
    ['a page', () => new Response('<h1>'), 'provider_malformed_response', 'provider'],
    ['no token', () => Response.json({ expires_in: 1 }), 'provider_malformed_response', 'provider'],
    [
      'no lifetime',
      () => Response.json({ access_token: 'x' }),
      'provider_malformed_response',
      'provider',
    ],
  ]
  it.each(refusals)('is refused with %s', async (_, answer, code, fault) => {
    const clock = new ManualClock()
    const endpoint = tokenEndpoint(clock, answer)
    const token = tokensOf().token({ fetch: endpoint.fetch, clock })
    await expect(token).rejects.toMatchObject({ name: 'ModelError', code, fault })
  })

  it('never shows the key or the assertion in an error', async () => {
    const clock = new ManualClock()
    const leaky: typeof fetch = (_, init) => {
      const form = new URLSearchParams(init?.body as URLSearchParams)
      throw new Error(`cannot send ${form.get('assertion')} signed with ${PRIVATE_KEY}`)
    }
    const error: unknown = await tokensOf()
      .token({ fetch: leaky, clock })
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'provider_unreachable' })
    const { message, detail, stack } = error as ModelError
    expect([message, detail, stack].join('\n')).not.toMatch(/eyJ|PRIVATE KEY|MII/)
    expect(detail).toContain('[redacted]')
  })

  it('cannot be signed with a key that only looks like one', async () => {
    const broken = '-----BEGIN PRIVATE KEY-----\nMIIBVAIBADANBg==\n-----END PRIVATE KEY-----'
    const clock = new ManualClock()
    const token = tokensOf({ private_key: broken }).token({ fetch, clock })
    await expect(token).rejects.toMatchObject({ code: 'provider_misconfigured', fault: 'platform' })
  })
})

describe('a service account key', () => {
  it('may carry its line ends as two characters, as .env files make them', () => {
    const escaped = PRIVATE_KEY.replaceAll('\n', '\\n')
    const account = parseServiceAccount(keyFile({ private_key: escaped }))
    expect(account.privateKey).toBe(PRIVATE_KEY.trim())
  })

  it('may name a token endpoint on this machine, and defaults to Google’s', () => {
    const local = 'http://127.0.0.1:4010/token'
    expect(parseServiceAccount(keyFile({ token_uri: local })).tokenUri).toBe(local)
    const google = 'https://oauth2.googleapis.com/token'
    expect(parseServiceAccount(keyFile({ token_uri: undefined })).tokenUri).toBe(google)
  })

  const rsa = PRIVATE_KEY.replaceAll('PRIVATE KEY', 'RSA PRIVATE KEY')
  it.each([
    ['', 'is not JSON'],
    [`{"private_key": ${PRIVATE_KEY}`, 'is not JSON'],
    ['[]', 'is not a JSON object'],
    ['{}', 'has no "type": "service_account"'],
    [keyFile({ type: 'authorized_user' }), 'has no "type": "service_account"'],
    [keyFile({ client_email: 7 }), 'has no client_email'],
    [keyFile({ private_key: undefined }), 'has no private_key'],
    [keyFile({ private_key: 'MIIEv…' }), 'not a PKCS #8 key'],
    [keyFile({ private_key: rsa }), 'not a PKCS #8 key'],
    [keyFile({ token_uri: 'oauth' }), 'a token_uri that is not a URL'],
    [keyFile({ token_uri: 'http://example.com/token' }), 'neither https nor on this machine'],
    [keyFile({ token_uri: 'ftp://127.0.0.1/token' }), 'neither https nor on this machine'],
  ])('that is unusable says why and never quotes itself (%#)', (json, problem) => {
    let message = ''
    try {
      parseServiceAccount(json)
    } catch (error) {
      message = String(error)
    }
    expect(message).toContain(problem)
    expect(message).not.toMatch(/MII|BEGIN/)
  })
})
