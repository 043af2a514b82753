import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startStack } from '../../dev/stack/stack.ts'
import { openSession, uploadPicture } from '../support/agents/files.ts'
import { createOrganization, newClient } from '../support/people/people.ts'
import { makeDirectory } from '../support/stack/directory.ts'
import { runReset } from '../support/stack/start-command.ts'

let directory: string

beforeEach(() => {
  directory = makeDirectory()
})

afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** A stack with this project's migrations, without functions. */
const start = () =>
  startStack({ port: 0, directory, durable: false, functionsDirectory: join(directory, 'none') })

test('db:reset builds a new, migrated database without files; a running stack keeps its own', async () => {
  const account = { email: 'ada@example.com', password: 'a long password' }
  const before = await start()
  const client = newClient(before.publishableKey, before.url)
  const { data, error } = await client.auth.signUp(account)
  expect(error).toBeNull()
  const ada = { ...account, id: data.user?.id ?? '', client }
  const { id } = await createOrganization(ada)
  await uploadPicture(ada, id, await openSession(ada))
  const objects = join(directory, 'objects')
  expect(readdirSync(objects)).not.toEqual([])

  const beside = await runReset(directory)
  expect(await beside.exited).toBe(1)
  expect(beside.errors()).toMatch(/^npm run db:reset: A stack is running at .* already/)
  await before.close()

  const reset = await runReset(directory)
  expect([await reset.exited, reset.errors()]).toEqual([0, ''])
  expect(existsSync(objects)).toBe(false)
  const after = await start()
  try {
    const client = newClient(after.publishableKey, after.url)
    expect((await client.auth.signInWithPassword(account)).error?.code).toBe('invalid_credentials')
    const agents = await newClient(after.secretKey, after.url).from('agents').select('name')
    expect(agents.data?.map(({ name }) => name).sort()).toEqual(['ccrouter', 'droid'])
  } finally {
    await after.close()
  }
}, 180_000)

test('db:reset does not touch a database of your own', async () => {
  const reset = await runReset(directory, { DATABASE_URL: 'postgresql://me@127.0.0.1:1/db' })
  expect(await reset.exited).toBe(1)
  expect(reset.errors()).toMatch(/^npm run db:reset: DATABASE_URL is set, .*\n$/)
})

test('db:reset mends damaged secrets', async () => {
  writeFileSync(join(directory, 'secrets.json'), '{')
  const reset = await runReset(directory)
  expect([await reset.exited, reset.errors()]).toEqual([0, ''])
  expect(existsSync(join(directory, 'postgres', 'PG_VERSION'))).toBe(true)
}, 120_000)
