import { generateKeyPairSync } from 'node:crypto'
import type { ModelAdapter } from '../../../supabase/functions/_shared/models/model-adapter.ts'
import { createVertexAdapter } from '../../../supabase/functions/_shared/models/vertex.ts'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

export const PUBLIC_KEY = publicKey
export const PRIVATE_KEY = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
export const ACCESS_TOKEN = 'ya29.c.test-access-token-0123456789'

/** A key file as Google hands it out, with a token endpoint of our own. */
export function keyFile(overrides: Record<string, unknown> = {}): string {
  return JSON.stringify({
    type: 'service_account',
    project_id: 'colloquy-test',
    private_key_id: 'key-1',
    private_key: PRIVATE_KEY,
    client_email: 'agent@colloquy-test.iam.gserviceaccount.com',
    token_uri: 'https://oauth2.googleapis.com/token',
    ...overrides,
  })
}

/** An adapter for `url` whose token comes from memory, so that the socket serves only the model. */
export function vertexAdapter(url: string): ModelAdapter {
  const adapter = createVertexAdapter({ serviceAccount: keyFile(), baseUrl: url })
  return {
    ...adapter,
    prepare: (request, mode, context) =>
      adapter.prepare(request, mode, { ...context, fetch: tokenFetch() }),
  }
}

export function tokenFetch(expiresIn = 3600): typeof fetch {
  const body = { access_token: ACCESS_TOKEN, expires_in: expiresIn, token_type: 'Bearer' }
  return () => Promise.resolve(Response.json(body))
}
