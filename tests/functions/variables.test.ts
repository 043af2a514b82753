import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type FunctionProcess, startFunction } from '../../dev/functions/function-process.ts'
import { accessToken, type Person, signUpWithOrganization } from '../support/people/people.ts'
import { useStack } from '../support/stack/stack.ts'

const directory = fileURLToPath(new URL('../../supabase/functions', import.meta.url))

/** Every variable that a function reads and could start without, each with a value that is none. */
const odd = {
  SUPABASE_URL: 'nowhere',
  SUPABASE_PUBLISHABLE_KEYS: 'hidden-value',
  SUPABASE_SECRET_KEYS: '["hidden-value"]',
  SUPABASE_JWKS: 'hidden-value',
  JWT_ISSUER: 'hidden-value',
  OAUTH_PUBLIC_URL: 'hidden-value',
  TOKEN_ENCRYPTION_KEYS: 'hidden-value',
  OAUTH_REDIRECT_ALLOW_LIST: 'javascript:void',
  OPENROUTER_API_KEY: 'hidden-value',
  OPENROUTER_BASE_URL: 'nowhere',
  VERTEX_SERVICE_ACCOUNT: 'hidden-value',
}

let running: FunctionProcess[] = []
afterEach(async () => {
  await Promise.all(running.map((each) => each.close()))
  running = []
})

/** A function as a process of its own, with these variables alone. */
async function start(name: string, env: Record<string, string>) {
  const lines: string[] = []
  const started = startFunction({
    name,
    directory,
    env,
    watch: false,
    log: (line) => lines.push(line),
  })
  running.push(started)
  await started.ready
  const send = (path: string, init?: RequestInit) =>
    fetch(`${started.address()}/${name}${path}`, init)
  return { lines, send }
}

const needing: Record<string, { path: string; method: string }> = {
  agents: { path: '/invoke', method: 'POST' },
  oauth: { path: '/connections', method: 'POST' },
  'session-cleanup': { path: '/', method: 'POST' },
}
const names = Object.keys(needing)

describe.each(names)('%s', (name) => {
  it.each<[string, Record<string, string>]>([
    // Deno wants the name of one.
    ['absent', { UNUSED: '' }],
    ['odd', odd],
  ])('answers health, CORS and a code while every variable is %s', async (_, env) => {
    const { lines, send } = await start(name, env)
    const health = await send('/health')
    expect(await health.json()).toEqual({ status: 'ok' })
    const { path, method } = needing[name] ?? { path: '/', method: 'POST' }
    const preflight = await send(path, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example', 'access-control-request-method': method },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-origin')).toBe('*')
    const headers = {
      authorization: 'Bearer a.b.c',
      apikey: 'x',
      'content-type': 'application/json',
    }
    const refused = await send(path, { method, headers, body: '{}' })
    expect(refused.status).toBe(503)
    expect(await refused.json()).toMatchObject({ error: { code: 'not_configured' } })
    const log = lines.join('\n')
    expect(log).toMatch(/"event":"variable_unusable","detail":"SUPABASE_URL /)
    expect(log).toMatch(/"event":"request_failed".*"code":"not_configured".*SUPABASE_/)
    expect(log).not.toContain('hidden-value')
  })
})

it.each<[string, string[]]>([
  ['agents', ['TOKEN_ENCRYPTION_KEYS', 'openrouter: ', 'vertex-ai: ']],
  ['oauth', ['TOKEN_ENCRYPTION_KEYS', 'OAUTH_REDIRECT_ALLOW_LIST', 'OAUTH_PUBLIC_URL']],
  ['session-cleanup', ['SUPABASE_SECRET_KEYS']],
])('%s says when it starts which of its variables are odd', async (name, expected) => {
  const { lines } = await start(name, odd)
  for (const variable of [...expected, 'SUPABASE_JWKS', 'JWT_ISSUER']) {
    expect(lines.join('\n')).toContain(`"event":"variable_unusable","detail":"${variable}`)
  }
})

describe('a project of another kind', () => {
  let ann: Person
  beforeAll(async () => {
    ann = await signUpWithOrganization('ann')
  })

  const question = { agent: 'droid', message: { content: 'Who are you?' }, stream: false }
  /** Asks an agent of a worker whose variables differ from the stack's. */
  async function ask(changes: Record<string, string>) {
    const { lines, send } = await start('agents', { ...useStack().functionEnv, ...changes })
    const token = await accessToken(ann)
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const response = await send('/invoke', {
      method: 'POST',
      headers,
      body: JSON.stringify(question),
    })
    return {
      lines,
      send,
      headers,
      status: response.status,
      body: (await response.json()) as unknown,
    }
  }

  it.each(['{"keys":[]}', '[]'])(
    'that signs with a shared secret is served: SUPABASE_JWKS=%s',
    async (SUPABASE_JWKS) => {
      expect(await ask({ SUPABASE_JWKS })).toMatchObject({ status: 200 })
    },
  )

  it('whose keys have other names is served', async () => {
    const { publishableKey, secretKey, cleanupKey } = useStack()
    const changes = {
      SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ web: publishableKey }),
      SUPABASE_SECRET_KEYS: JSON.stringify({ server: secretKey, session_cleanup: cleanupKey }),
    }
    expect(await ask(changes)).toMatchObject({ status: 200 })
  })

  it('with another address inside is served when JWT_ISSUER says who signs, else told why not', async () => {
    const { url } = useStack()
    const inside = { SUPABASE_URL: url.replace('127.0.0.1', 'localhost') }
    expect(await ask({ ...inside, JWT_ISSUER: `${url}/auth/v1` })).toMatchObject({ status: 200 })
    const { status, lines } = await ask(inside)
    expect(status).toBe(401)
    expect(lines.join('\n')).toContain(
      `the issuer of the token is ${url}/auth/v1, not http://localhost`,
    )
  })

  it('without keys that seal invokes agents, and stores no key of an organization', async () => {
    const { status, send, headers } = await ask({ TOKEN_ENCRYPTION_KEYS: '' })
    expect(status).toBe(200)
    const body = JSON.stringify({ api_key: useStack().functionEnv['OPENROUTER_API_KEY'] })
    const put = await send('/provider-credentials/openrouter', { method: 'PUT', headers, body })
    expect(put.status).toBe(503)
    expect(await put.json()).toMatchObject({ error: { code: 'not_configured' } })
  })

  it('with an odd key of one provider is served by the other', async () => {
    expect(await ask({ VERTEX_SERVICE_ACCOUNT: '{}' })).toMatchObject({ status: 200 })
  })
})
