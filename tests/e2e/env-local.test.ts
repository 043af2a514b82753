import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { findTarget } from '../../dev/demo/target.ts'
import { writeEnvFile } from '../../dev/process/env-file.ts'
import { markEmbedded } from '../../dev/process/external-database.ts'
import { makeDirectory } from '../support/stack/directory.ts'
import { runStart } from '../support/stack/start-command.ts'

/** What `. .env.local` leaves in a shell after the stack that wrote the file has ended. */
const LEFT = {
  SUPABASE_URL: 'http://127.0.0.1:1',
  SUPABASE_PUBLISHABLE_KEY: 'sb_publishable_of_a_stack_that_ended',
  SUPABASE_SECRET_KEY: 'sb_secret_of_a_stack_that_ended',
  DATABASE_URL: markEmbedded('postgresql://postgres:hush@127.0.0.1:1/postgres'),
}
const directory = makeDirectory()
const file = join(directory, '.env.local')
writeEnvFile(file, LEFT)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

test('the demo of a shell that has read .env.local starts a stack of its own', async () => {
  const said: string[] = []
  const target = await findTarget(directory, LEFT, (line) => said.push(line))
  await target.close()
  expect(said[0]).toMatch(/^No stack is running/)
  expect(target.url).not.toBe(LEFT.SUPABASE_URL)
}, 40_000)

test('npm start in a shell that has read .env.local starts the embedded database', async () => {
  const command = await runStart(directory, LEFT)
  try {
    await command.printed('Ctrl-C stops everything')
  } finally {
    command.child.kill('SIGINT')
    await command.exited
  }
  const written = parseEnv(readFileSync(file, 'utf8'))
  expect(Object.keys(written).sort()).toEqual(Object.keys(LEFT).sort())
  for (const [name, value] of Object.entries(LEFT)) expect(written[name]).not.toBe(value)
}, 40_000)
