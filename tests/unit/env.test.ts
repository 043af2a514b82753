import { describe, expect, it } from 'vitest'
import { findProblems, readEnv } from '../../supabase/functions/_shared/env.ts'

const platform = {
  SUPABASE_URL: 'https://project.supabase.co',
  SUPABASE_PUBLISHABLE_KEYS: '{"default":"sb_publishable_a"}',
  SUPABASE_SECRET_KEYS: '{"default":"sb_secret_a","session_cleanup":"sb_secret_b"}',
  SUPABASE_JWKS: '{"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256","kid":"local"}]}',
}

describe('the variables', () => {
  it('are read from what the platform gives', () => {
    expect(readEnv(platform)).toEqual({
      supabaseUrl: 'https://project.supabase.co',
      localStack: false,
      jwtIssuer: 'https://project.supabase.co/auth/v1',
      oauthPublicUrl: 'https://project.supabase.co/functions/v1/oauth',
      workerSeconds: 150,
      publishableKey: 'sb_publishable_a',
      secretKey: 'sb_secret_a',
      secretKeys: { default: 'sb_secret_a', session_cleanup: 'sb_secret_b' },
      jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0', alg: 'HS256', kid: 'local' }] },
      models: {},
      providerAddresses: { openrouter: {}, vertexAi: {} },
    })
  })

  it('bound the life of a worker by the plan, and not at all on the developer’s machine', () => {
    const seconds = (variables: Record<string, string>) =>
      readEnv({ ...platform, ...variables }).workerSeconds
    expect(seconds({ WORKER_SECONDS: '400' })).toBe(400)
    expect(seconds({ SUPABASE_URL: 'http://127.0.0.1:54321' })).toBeNull()
    for (const WORKER_SECONDS of ['0', '-1', '1.5', '400s', '1e3', '59', '1000000']) {
      expect(() => seconds({ WORKER_SECONDS }), WORKER_SECONDS).toThrow('lacks a setting')
    }
  })

  it('may be the legacy keys, without a key set', () => {
    const env = readEnv({
      SUPABASE_URL: 'http://127.0.0.1:54321/',
      SUPABASE_ANON_KEY: 'anon',
      SUPABASE_SERVICE_ROLE_KEY: 'service',
    })
    expect(env).toMatchObject({
      supabaseUrl: 'http://127.0.0.1:54321',
      publishableKey: 'anon',
      secretKey: 'service',
      secretKeys: {},
      jwks: null,
    })
  })

  it('prefer the new keys to the legacy ones', () => {
    const legacy = { SUPABASE_ANON_KEY: 'anon', SUPABASE_SERVICE_ROLE_KEY: 'service' }
    expect(readEnv({ ...platform, ...legacy })).toMatchObject({
      publishableKey: 'sb_publishable_a',
      secretKey: 'sb_secret_a',
    })
  })

  it('configure only the providers that have a key', () => {
    const none = {
      OPENROUTER_BASE_URL: 'http://a.test',
      VERTEX_PROJECT: 'p',
      OPENROUTER_API_KEY: ' ',
    }
    expect(readEnv({ ...platform, ...none }).models).toEqual({})
    const both = {
      OPENROUTER_API_KEY: 'key',
      OPENROUTER_BASE_URL: 'http://a.test',
      VERTEX_SERVICE_ACCOUNT: '{}',
      VERTEX_PROJECT: 'p',
      VERTEX_LOCATION: 'l',
      VERTEX_BASE_URL: 'http://b.test',
    }
    expect(readEnv({ ...platform, ...both }).models).toEqual({
      openrouter: { apiKey: 'key', baseUrl: 'http://a.test' },
      vertexAi: { serviceAccount: '{}', project: 'p', location: 'l', baseUrl: 'http://b.test' },
    })
  })

  it.each<[string, Record<string, string>, string]>([
    ['the only one', { SUPABASE_SECRET_KEYS: '{"main":"a"}' }, 'a'],
    [
      'the one beside that of schedulers',
      { SUPABASE_SECRET_KEYS: '{"session_cleanup":"s","main":"a"}' },
      'a',
    ],
    [
      'that of schedulers when it is alone',
      { SUPABASE_SECRET_KEYS: '{"session_cleanup":"s"}' },
      's',
    ],
    [
      'the one that is named',
      { SUPABASE_SECRET_KEYS: '{"default":"d","b":"b"}', SECRET_KEY_NAME: 'b' },
      'b',
    ],
    [
      'the legacy one when there is no other',
      { SUPABASE_SECRET_KEYS: '{}', SUPABASE_SERVICE_ROLE_KEY: 'l' },
      'l',
    ],
  ])('give the key that is %s', (_, variables, key) => {
    expect(readEnv({ ...platform, ...variables }).secretKey).toBe(key)
  })

  it.each<[Record<string, string>, RegExp]>([
    [{ SUPABASE_SECRET_KEYS: '{"a":"1","b":"2"}' }, /several keys.* name one in SECRET_KEY_NAME/],
    [{ SECRET_KEY_NAME: 'absent' }, /SUPABASE_SECRET_KEYS .* SECRET_KEY_NAME/],
    [{ SUPABASE_SECRET_KEYS: '{}' }, /SUPABASE_SECRET_KEYS has no key.*SUPABASE_SERVICE_ROLE_KEY/],
  ])('%j leave the key open', (variables, cause) => {
    expect(() => readEnv({ ...platform, ...variables }).secretKey).toThrow(refusal(cause))
  })

  it('may say who signs tokens where SUPABASE_URL is an inside address', () => {
    const inside = { ...platform, SUPABASE_URL: 'http://kong:8000' }
    expect(readEnv(inside).jwtIssuer).toBe('http://kong:8000/auth/v1')
    const issuer = 'https://api.example.com/auth/v1'
    expect(readEnv({ ...inside, JWT_ISSUER: issuer })).toMatchObject({
      supabaseUrl: 'http://kong:8000',
      jwtIssuer: issuer,
    })
  })

  it.each(['{"keys":[]}', '[]', '[{"kty":"EC"}]'])('may hold the key set %s', (text) => {
    const keys = text === '[{"kty":"EC"}]' ? [{ kty: 'EC' }] : []
    expect(readEnv({ ...platform, SUPABASE_JWKS: text }).jwks).toEqual({ keys })
  })

  it('that are absent are all found at once', () => {
    expect(findProblems(readEnv({}))).toEqual([
      'SUPABASE_URL is not set',
      'SUPABASE_PUBLISHABLE_KEYS has no key, and SUPABASE_ANON_KEY is not set either',
      'SUPABASE_SECRET_KEYS has no key, and SUPABASE_SERVICE_ROLE_KEY is not set either',
    ])
    expect(findProblems(readEnv(platform))).toEqual([])
  })

  const url = ['supabaseUrl', 'jwtIssuer', 'oauthPublicUrl']
  it.each<[string, string, string[]]>([
    ['SUPABASE_URL', 'hidden-value.supabase.co', url],
    ['SUPABASE_URL', 'https://hidden-value/rest/v1', url],
    ['SUPABASE_URL', 'ftp://hidden-value', url],
    ['SUPABASE_PUBLISHABLE_KEYS', 'hidden-value', ['publishableKey']],
    ['SUPABASE_SECRET_KEYS', '["hidden-value"]', ['secretKey', 'secretKeys']],
    ['SUPABASE_SECRET_KEYS', '{"default":["hidden-value"]}', ['secretKey', 'secretKeys']],
    ['SUPABASE_JWKS', 'hidden-value', ['jwks']],
    ['SUPABASE_JWKS', '{"keys":[{"k":"hidden-value"}]}', ['jwks']],
    ['SUPABASE_JWKS', '["hidden-value"]', ['jwks']],
    ['JWT_ISSUER', 'hidden-value', ['jwtIssuer']],
    ['OAUTH_PUBLIC_URL', 'hidden-value', ['oauthPublicUrl']],
  ])('%s=%s fails what needs it, by name and without its value', (name, value, needing) => {
    const env = readEnv({ ...platform, [name]: value })
    for (const property of Object.keys(env) as (keyof typeof env)[]) {
      const read = () => env[property]
      if (!needing.includes(property)) expect(read).not.toThrow()
      else expect(read).toThrow(refusal(new RegExp(`^${name} (?!.*hidden-value)`)))
    }
  })
})

function refusal(cause: RegExp): Error {
  return expect.objectContaining({
    code: 'not_configured',
    cause: expect.stringMatching(cause) as string,
  }) as Error
}
