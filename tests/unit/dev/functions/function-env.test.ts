import { describe, expect, test } from 'vitest'
import { functionEnv } from '../../../../dev/functions/function-env.ts'
import type { ModelServer } from '../../../../dev/functions/model-server.ts'
import type { Secrets } from '../../../../dev/postgres/secrets.ts'

const secrets: Secrets = {
  jwtSecret: 'a secret of more than thirty-two characters',
  publishableKey: 'sb_publishable_a',
  secretKey: 'sb_secret_a',
  cleanupKey: 'sb_secret_b',
  tokenEncryptionKeys: 'local:key',
  serviceAccountKey: 'pem',
  passwords: { supabase_admin: '', postgres: '', authenticator: '', supabase_auth_admin: '' },
}

const modelServer: ModelServer = {
  url: 'http://127.0.0.1:9',
  openrouter: { OPENROUTER_API_KEY: 'local', OPENROUTER_BASE_URL: 'http://127.0.0.1:9/api/v1' },
  vertex: {
    VERTEX_PROJECT: 'local',
    VERTEX_LOCATION: 'local',
    VERTEX_SERVICE_ACCOUNT: 'local',
    VERTEX_BASE_URL: 'local',
  },
  close: () => Promise.resolve(),
}

const envOf = (env: Record<string, string>) =>
  functionEnv({
    url: 'http://127.0.0.1:1',
    database: { ownerUrl: 'postgresql://x' },
    secrets,
    modelServer,
    env,
  })

describe('the variables of the functions', () => {
  test('point at the local model server when no provider is configured', () => {
    expect(envOf({})).toMatchObject({ ...modelServer.openrouter, ...modelServer.vertex })
  })

  test('a provider that is configured gets nothing of the local one', () => {
    const env = envOf({ OPENROUTER_API_KEY: 'sk-real' })
    expect(env.OPENROUTER_API_KEY).toBe('sk-real')
    expect(env).not.toHaveProperty('OPENROUTER_BASE_URL')
    expect(env.VERTEX_PROJECT).toBe('local')
    expect(envOf({ OPENROUTER_BASE_URL: 'https://x' })).not.toHaveProperty('OPENROUTER_API_KEY')
    expect(envOf({ VERTEX_SERVICE_ACCOUNT: '{}' })).not.toHaveProperty('VERTEX_BASE_URL')
  })

  test('an empty value counts as not set', () => {
    expect(envOf({ OPENROUTER_API_KEY: '' }).OPENROUTER_API_KEY).toBe('local')
  })

  test('a value of the environment wins over the local default', () => {
    expect(envOf({ TOKEN_ENCRYPTION_KEYS: 'mine:key' }).TOKEN_ENCRYPTION_KEYS).toBe('mine:key')
    expect(envOf({}).TOKEN_ENCRYPTION_KEYS).toBe('local:key')
  })

  test('nothing else of the environment reaches them', () => {
    const env = envOf({ HOME: '/root', AWS_SECRET_ACCESS_KEY: 'x', SUPABASE_URL: 'http://other' })
    expect(env).not.toHaveProperty('HOME')
    expect(env).not.toHaveProperty('AWS_SECRET_ACCESS_KEY')
    expect(env.SUPABASE_URL).toBe('http://127.0.0.1:1')
  })

  test('the verification key is the JWT secret as a JWK', () => {
    const { keys } = JSON.parse(envOf({}).SUPABASE_JWKS ?? '') as { keys: { k: string }[] }
    expect(Buffer.from(keys[0]?.k ?? '', 'base64url').toString()).toBe(secrets.jwtSecret)
  })
})
