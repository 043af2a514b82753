import { randomUUID } from 'node:crypto'
import { generateKeyPair, SignJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  callFunction,
  countWritten,
  createAgent,
  type ErrorBody,
  forgeToken,
  invoke,
  nothingWritten,
} from '../support/agents/invoke.ts'
import {
  accessToken,
  claimsOf,
  type Organization,
  type Person,
  signUp,
  signUpAsMember,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'
import { useStack } from '../support/stack/stack.ts'

const sql = connectOwner()
const hello = { agent: 'droid', message: { content: 'Hello' } }
let ann: Person & { organization: Organization }

beforeAll(async () => {
  ann = await signUpWithOrganization('ann')
})

/** Sends a request that must be refused, and checks that it left nothing behind. */
async function refused(
  body: unknown,
  init: { token?: string | null; headers?: Record<string, string> } = {},
) {
  const token = init.token === undefined ? await accessToken(ann) : init.token
  const response = await callFunction('agents/invoke', { ...init, token, body })
  const { error } = (await response.json()) as ErrorBody
  expect(await countWritten(sql, ann.organization)).toEqual(nothingWritten)
  return { status: response.status, headers: response.headers, ...error }
}

describe('a request without a valid token', () => {
  const unauthorized = { status: 401, code: 'unauthorized' }

  it('is refused when it has none', async () => {
    const { headers, ...error } = await refused(hello, { token: null })
    expect(error).toMatchObject(unauthorized)
    expect(headers.get('www-authenticate')).toMatch(/^Bearer/)
  })

  it('is refused with a key of the project in its place', async () => {
    const { publishableKey, secretKey } = useStack()
    for (const token of [publishableKey, secretKey]) {
      expect(await refused(hello, { token })).toMatchObject(unauthorized)
    }
    const headers = { apikey: secretKey }
    expect(await refused(hello, { token: null, headers })).toMatchObject(unauthorized)
  })

  it('is refused with a token that has expired', async () => {
    const token = await forgeToken(ann, { exp: Math.floor(Date.now() / 1000) - 60 })
    expect(await refused(hello, { token })).toMatchObject(unauthorized)
  })

  it.each([
    ['another issuer', { iss: 'https://other.example/auth/v1' }],
    ['no issuer', { iss: undefined }],
    ['another audience', { aud: 'other' }],
    ['no audience', { aud: undefined }],
    ['no expiry', { exp: undefined }],
    ['no session', { session_id: undefined }],
    ['the role of the service', { role: 'service_role' }],
    ['the role anon', { role: 'anon' }],
  ])('is refused with a token that has %s', async (_, changes) => {
    expect(await refused(hello, { token: await forgeToken(ann, changes) })).toMatchObject(
      unauthorized,
    )
  })

  it('is refused with a token that someone else signed', async () => {
    const secret = 'another secret of thirty-two bytes, or more'
    expect(await refused(hello, { token: await forgeToken(ann, {}, { secret }) })).toMatchObject(
      unauthorized,
    )
    expect(
      await refused(hello, { token: await forgeToken(ann, {}, { kid: 'other' }) }),
    ).toMatchObject(unauthorized)
  })

  it('is refused with a token whose claims were changed', async () => {
    const [header, , signature] = (await accessToken(ann)).split('.')
    const claims = { ...(await claimsOf(ann)), organization_id: ann.organization.id + 1 }
    const payload = Buffer.from(JSON.stringify(claims)).toString('base64url')
    expect(await refused(hello, { token: `${header}.${payload}.${signature}` })).toMatchObject(
      unauthorized,
    )
  })

  it('is refused with a token of algorithm none', async () => {
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const token = `${encode({ alg: 'none', typ: 'JWT' })}.${encode(await claimsOf(ann))}.`
    expect(await refused(hello, { token })).toMatchObject(unauthorized)
  })

  it('is refused with a token of an RSA key, whatever key it names', async () => {
    const { privateKey } = await generateKeyPair('RS256')
    for (const kid of ['local', 'other']) {
      const token = await new SignJWT(await claimsOf(ann))
        .setProtectedHeader({ alg: 'RS256', kid })
        .sign(privateKey)
      expect(await refused(hello, { token })).toMatchObject(unauthorized)
    }
  })

  it('is accepted with the same claims, signed by the stack', async () => {
    const bob = await signUpWithOrganization('bob')
    const token = await forgeToken(bob, {})
    const response = await callFunction('agents/invoke', {
      token,
      body: { ...hello, stream: false },
    })
    expect(response.status).toBe(200)
  })
})

describe('a request without an organization', () => {
  it('is refused, by the token of someone who has none', async () => {
    const nobody = await signUp('nobody')
    const response = await invoke(nobody, hello)
    expect(response.status).toBe(403)
    expect(((await response.json()) as ErrorBody).error.code).toBe('no_organization')
    const [row] =
      await sql`select count(*)::int as n from public.chat_sessions where user_id = ${nobody.id}`
    expect(row).toEqual({ n: 0 })
  })

  it('is refused, by claims of any shape', async () => {
    for (const organization_id of [undefined, null, 'x', -1, { id: 1 }, [1], '9'.repeat(40)]) {
      const token = await forgeToken(ann, { organization_id })
      expect(await refused(hello, { token })).toMatchObject({
        status: 403,
        code: 'no_organization',
      })
    }
  })

  it('is refused, by an organization that is not the session’s', async () => {
    const other = await signUpWithOrganization('other')
    const token = await forgeToken(ann, { organization_id: other.organization.id })
    expect(await refused(hello, { token })).toMatchObject({ status: 403, code: 'no_organization' })
    expect(await countWritten(sql, other.organization)).toEqual(nothingWritten)
  })
})

describe('a request for what does not exist', () => {
  it('is answered the same for what is absent and what is another organization’s', async () => {
    const other = await signUpWithOrganization('other')
    const foreignAgent = await createAgent(sql, other.organization, ['openrouter'])
    const begun = await invoke(other, { ...hello, stream: false })
    const foreign = (await begun.json()) as { session_id: string; message: { id: string } }
    const { data: project } = await other.client
      .schema('client_mgmt')
      .from('projects')
      .insert({ name: 'foreign' })
      .select('id')
      .single()
    const pairs: [string, object, object][] = [
      ['agent_not_found', { agent: `absent-${randomUUID()}` }, { agent: foreignAgent }],
      ['model_not_found', { model: 'absent' }, { model: 'model-1' }],
      ['session_not_found', { session_id: randomUUID() }, { session_id: foreign.session_id }],
      ['project_not_found', { project_id: 2 ** 40 }, { project_id: Number(project?.id) }],
    ]
    for (const [code, absent, present] of pairs) {
      const answers = await Promise.all(
        [absent, present].map(async (change) => {
          const { headers: _, ...answer } = await refused({ ...hello, ...change })
          return answer
        }),
      )
      expect(answers[0], code).toMatchObject({ status: 404, code })
      expect(answers[1], code).toEqual(answers[0])
    }
    const { executions } = await countWritten(sql, other.organization)
    expect(executions).toBe(1)
  })

  it('is answered the same for another member’s session of the same organization', async () => {
    const eve = await signUpAsMember(sql, ann.organization, 'eve')
    const theirs = await sql<[{ id: string }]>`
      insert into public.chat_sessions (organization_id, user_id)
      values (${ann.organization.id}, ${eve.id}) returning id`
    const token = await accessToken(ann)
    const body = { ...hello, session_id: theirs[0].id }
    const response = await callFunction('agents/invoke', { token, body })
    expect(response.status).toBe(404)
    expect(((await response.json()) as ErrorBody).error.code).toBe('session_not_found')
    await sql`delete from public.chat_sessions where id = ${theirs[0].id}`
    expect(await countWritten(sql, ann.organization)).toEqual(nothingWritten)
  })

  it('is refused for a parent that is not in the session', async () => {
    const bob = await signUpWithOrganization('bob')
    const first = (await (await invoke(bob, { ...hello, stream: false })).json()) as {
      session_id: string
    }
    const before = await countWritten(sql, bob.organization)
    const body = { ...hello, session_id: first.session_id, parent_id: randomUUID() }
    const response = await invoke(bob, body)
    expect(response.status).toBe(404)
    expect(((await response.json()) as ErrorBody).error.code).toBe('parent_not_found')
    expect(await countWritten(sql, bob.organization)).toEqual(before)
  })
})

describe('a request that is not well-formed', () => {
  it.each([
    ['an unknown key', { ...hello, agnet: 1 }, 'agnet'],
    ['an organization of its own', { ...hello, organization_id: 1 }, 'organization_id'],
    ['a wrong type', { ...hello, agent: 1 }, 'agent'],
    [
      'a wrong type deep inside',
      { ...hello, message: { content: [{ type: 'text', text: 1 }] } },
      'message.content.0.text',
    ],
    ['a session that is no uuid', { ...hello, session_id: "' or true --" }, 'session_id'],
    ['no message', { agent: 'droid' }, 'message'],
    [
      'content over 256 KB',
      { ...hello, message: { content: 'x'.repeat(256 * 1024 + 1) } },
      'message.content',
    ],
    [
      'content of many times 256 KB',
      { ...hello, message: { content: 'x'.repeat(5_000_000) } },
      'message.content',
    ],
    [
      'a character that cannot be stored',
      { ...hello, message: { content: 'a\u0000' } },
      'message.content',
    ],
    ['malformed JSON', '{"agent": "droid", ', ''],
    ['no body', '', ''],
  ] as [string, unknown, string][])('is refused with the path of %s', async (_, body, path) => {
    expect(await refused(body)).toMatchObject({ status: 400, code: 'invalid_request', path })
  })

  it('is refused with the path of a bad key', async () => {
    const headers = { 'idempotency-key': 'x'.repeat(300) }
    expect(await refused(hello, { headers })).toMatchObject({
      status: 400,
      code: 'invalid_request',
      path: 'Idempotency-Key',
    })
  })

  it('but has content of exactly 256 KB, in bytes, is answered and stored whole', async () => {
    const bob = await signUpWithOrganization('bob')
    const content = 'é'.repeat(128 * 1024)
    const response = await invoke(bob, { ...hello, message: { content }, stream: false })
    expect(response.status).toBe(200)
    const { data } = await bob.client.from('chat_messages').select('content').eq('role', 'user')
    expect(data).toEqual([{ content }])
  })
})

describe('an address that is not there', () => {
  it('is 404 or 405, in the envelope, without a token', async () => {
    const absent = await callFunction('agents/unknown', { method: 'GET' })
    expect(absent.status).toBe(404)
    expect(((await absent.json()) as ErrorBody).error.code).toBe('not_found')
    const wrong = await callFunction('agents/invoke', { method: 'GET' })
    expect(wrong.status).toBe(405)
    expect(wrong.headers.get('allow')).toBe('POST')
  })
})
