import { describe, expect, it } from 'vitest'
import { readEnv } from '../../supabase/functions/_shared/env.ts'

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
      publishableKey: 'sb_publishable_a',
      secretKey: 'sb_secret_a',
      secretKeys: { default: 'sb_secret_a', session_cleanup: 'sb_secret_b' },
      jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0', alg: 'HS256', kid: 'local' }] },
      models: {},
      providerAddresses: { openrouter: {}, vertexAi: {} },
    })
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

  it('that are absent are all named at once', () => {
    const read = () => readEnv({})
    expect(read).toThrow(/SUPABASE_URL is not set/)
    expect(read).toThrow(/SUPABASE_PUBLISHABLE_KEYS has no key named "default"/)
    expect(read).toThrow(/SUPABASE_SERVICE_ROLE_KEY is not set either/)
  })

  it.each([
    ['SUPABASE_URL', 'project.supabase.co'],
    ['SUPABASE_URL', 'https://project.supabase.co/rest/v1'],
    ['SUPABASE_URL', 'ftp://project.supabase.co'],
    ['SUPABASE_PUBLISHABLE_KEYS', 'hidden-value'],
    ['SUPABASE_SECRET_KEYS', '["hidden-value"]'],
    ['SUPABASE_SECRET_KEYS', '{"default":["hidden-value"]}'],
    ['SUPABASE_JWKS', '{"keys":[]}'],
    ['SUPABASE_JWKS', '{"keys":[{"k":"hidden-value"}]}'],
  ])('%s=%s is refused by name, without its value', (name, value) => {
    const read = () => readEnv({ ...platform, [name]: value })
    expect(read).toThrow(new RegExp(`^Configuration: .*${name} `))
    expect(read).not.toThrow(/hidden-value/)
  })
})
