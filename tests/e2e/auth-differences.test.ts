import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { accessToken, newClient, signUp } from '../support/people/people.ts'
import { useStack } from '../support/stack/stack.ts'

const PASSWORD = 'a long password'
const address = () => `${randomUUID()}@example.com`
let token: string

beforeAll(async () => {
  token = await accessToken(await signUp())
})

async function send(method: string, path: string, body: string) {
  const response = await fetch(`${useStack().url}/auth/v1/${path}`, {
    method,
    headers: {
      apikey: useStack().publishableKey,
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
    },
    body,
  })
  const answer = (await response.json()) as { error_code?: string; msg?: string }
  return { status: response.status, code: answer.error_code, message: answer.msg }
}

test('of thirty sign-ups with one address at once, one makes the account', async () => {
  const account = { email: address(), password: PASSWORD }
  const tries = Array.from({ length: 30 }, () =>
    send('POST', 'signup', JSON.stringify(account)).then(({ status, code }) => `${status} ${code}`),
  )
  const counts: Record<string, number> = {}
  for (const answer of await Promise.all(tries)) counts[answer] = (counts[answer] ?? 0) + 1
  expect(counts).toEqual({ '200 undefined': 1, '422 user_already_exists': 29 })
  expect((await newClient().auth.signInWithPassword(account)).error).toBeNull()
})

const EVERY = {
  email: address(),
  password: PASSWORD,
  refresh_token: 'r',
  type: 'email',
  token: 't',
}
const routes = [
  ['POST', 'signup', ['email', 'password']],
  ['POST', 'token?grant_type=password', ['email', 'password']],
  ['POST', 'token?grant_type=refresh_token', ['refresh_token']],
  ['POST', 'otp', ['email']],
  ['POST', 'recover', ['email']],
  ['POST', 'verify', ['token', 'type', 'email']],
  ['PUT', 'user', ['email', 'password']],
] as const
const wrong = ['1', 'true', '{}', '[]', '["a@example.com"]', '{"a":{"b":1}}'] as const

describe.each(routes)('%s %s', (method, path, names) => {
  test.each(names.flatMap((name) => wrong.map((value) => [name, value] as const)))(
    '%s as %s is a body that cannot be read',
    async (name, value) => {
      const { [name]: _, ...others } = EVERY
      const body = `{"${name}":${value},${JSON.stringify(others).slice(1)}`
      expect(await send(method, path, body)).toMatchObject({ status: 400, code: 'bad_json' })
    },
  )

  test.each(['1', 'null', '[]', '"a"', '{', '[{}]'])('so is the body %s', async (body) => {
    expect(await send(method, path, body)).toMatchObject({ status: 400, code: 'bad_json' })
  })
})

describe('a value that cannot be stored is refused:', () => {
  const json = (value: object) => JSON.stringify({ ...EVERY, email: address(), ...value })
  test.each([
    ['POST', 'signup', 'a zero byte in the address', json({ email: 'a\0@example.com' })],
    ['POST', 'signup', 'a zero byte in the data', json({ data: { name: '\0' } })],
    ['POST', 'signup', 'a zero byte in a key of the data', json({ data: { '\0': 1 } })],
    ['POST', 'signup', 'half a surrogate pair in the data', json({ data: { name: '\ud800' } })],
    ['POST', 'token?grant_type=password', 'a zero byte', json({ email: 'a\0@example.com' })],
    ['POST', 'token?grant_type=refresh_token', 'a zero byte', json({ refresh_token: '\0' })],
    ['POST', 'verify', 'a zero byte', json({ token: '\0', email: 'a\0@example.com' })],
    ['POST', 'recover', 'a zero byte', json({ email: 'a\0@example.com' })],
    ['POST', 'otp', 'a zero byte', json({ email: 'a\0@example.com' })],
    ['PUT', 'user', 'a zero byte in the data', json({ data: { name: '\0' } })],
  ])('%s %s: %s', async (method, path, _, body) => {
    const { status, code, message } = await send(method, path, body)
    expect([status, code]).toEqual([400, 'validation_failed'])
    expect(message).not.toMatch(/error:|invalid byte|unicode/i)
  })
})
