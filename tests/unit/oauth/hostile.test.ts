import { expect, it } from 'vitest'
import {
  readIssuerDocument,
  readResourceDocument,
} from '../../../supabase/functions/_shared/oauth/read-document.ts'
import { readTokenAnswer } from '../../../supabase/functions/_shared/oauth/read-token-answer.ts'
import { hostileJson, seeded } from '../../support/hostile-json.ts'

const rounds = 10_000
const documents = [
  ...['issuer', 'authorization_endpoint', 'token_endpoint', 'registration_endpoint', 'resource'],
  ...['authorization_servers', 'scopes_supported', 'code_challenge_methods_supported', 'S256'],
  ...['response_types_supported', 'https://as.example/x', 'javascript:alert(1)', 'https://'],
]
const tokens = [
  ...['access_token', 'refresh_token', 'token_type', 'Bearer', 'expires_in', 'scope', 'error'],
  ...['error_description', 'invalid_grant', 'code', 'type'],
]
const good = {
  ...{ issuer: 'https://as.example', authorization_endpoint: 'https://as.example/a' },
  ...{ token_endpoint: 'https://as.example/t', resource: 'https://mcp.example/mcp' },
}

it('10,000 hostile documents are read without a throw, and hold what they promise', () => {
  const random = seeded(3)
  let used = 0
  for (let round = 0; round < rounds; round += 1) {
    const hostile = hostileJson(random, documents)
    const given = random() < 0.5 ? hostile : { ...(hostile as object | null), ...good }
    for (const document of [readIssuerDocument(given), readResourceDocument(given)]) {
      if (typeof document === 'string') continue
      used += 1
      const fields: [string, unknown][] = Object.entries(document)
      for (const [name, value] of fields) {
        if (name.endsWith('_endpoint')) expect(URL.canParse(String(value))).toBe(true)
        const texts = Array.isArray(value) ? (value as unknown[]) : [value]
        expect(texts.length).toBeLessThanOrEqual(1_000)
        if (name.endsWith('_supported') && !Array.isArray(value)) {
          expect(typeof value).toBe('boolean')
          continue
        }
        for (const text of texts) {
          if (typeof text === 'boolean') continue
          expect(typeof text).toBe('string')
          expect((text as string).length).toBeLessThanOrEqual(2_048)
        }
      }
    }
  }
  expect(used).toBeGreaterThan(rounds / 2)
}, 120_000)

it('10,000 hostile token answers are read without a throw, and give only what a header can carry', () => {
  const random = seeded(4)
  let used = 0
  for (let round = 0; round < rounds; round += 1) {
    const hostile = hostileJson(random, tokens)
    const given = random() < 0.5 ? hostile : { access_token: 'good', ...(hostile as object | null) }
    const read = readTokenAnswer(given)
    if (!('tokens' in read)) continue
    used += 1
    const { accessToken, refreshToken, scope, expiresIn } = read.tokens
    expect(accessToken).toMatch(/^[\x21-\x7e]{1,16384}$/)
    expect((refreshToken ?? '').length).toBeLessThanOrEqual(16_384)
    expect((scope ?? '').length).toBeLessThanOrEqual(4_096)
    if (expiresIn !== null) expect(expiresIn).toBeGreaterThanOrEqual(1)
  }
  expect(used).toBeGreaterThan(1_000)
}, 120_000)
