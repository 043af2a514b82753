import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Sql } from 'postgres'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connect } from '../../dev/postgres/database.ts'
import { newClient } from '../support/people/people.ts'
import { makeDirectory } from '../support/stack/directory.ts'
import { descendantsOf, survivors } from '../support/stack/processes.ts'
import { runStart, type StartCommand } from '../support/stack/start-command.ts'

let directory: string
const commands: StartCommand[] = []

beforeEach(() => {
  directory = makeDirectory()
})

afterEach(async () => {
  for (const { child, exited } of commands.splice(0)) {
    child.kill('SIGKILL')
    await exited
  }
  rmSync(directory, { recursive: true, force: true })
})

async function start(env: Record<string, string> = {}): Promise<StartCommand> {
  const command = await runStart(directory, env)
  commands.push(command)
  return command
}

function envFile(): Record<string, string> {
  const lines = readFileSync(join(directory, '.env.local'), 'utf8').trim().split('\n')
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s, 2) as [string, string]))
}

function client() {
  const { SUPABASE_URL: url, SUPABASE_PUBLISHABLE_KEY: key } = envFile()
  return newClient(key, url)
}

/** Exactly one line, no stack trace, non-zero exit. */
async function expectOneLine(command: StartCommand, line: RegExp): Promise<void> {
  expect(await command.exited).toBe(1)
  expect(command.errors().trim().split('\n')).toEqual([expect.stringMatching(line)])
}

describe('npm start', () => {
  test('says when it is ready, ends on Ctrl-C with every process, and finds its data again', async () => {
    const durable = { COLLOQUY_DURABLE: '' }
    const first = await start(durable)
    await first.printed('Ctrl-C stops everything')
    expect(first.output()).toMatch(/ready after \d+\.\d s/)
    expect(await fsync()).toBe('on')
    expect(statSync(join(directory, '.env.local')).mode & 0o777).toBe(0o600)
    expect(statSync(join(directory, 'secrets.json')).mode & 0o777).toBe(0o600)
    const account = { email: 'ada@example.com', password: 'a long password' }
    expect((await client().auth.signUp(account)).error).toBeNull()

    const children = descendantsOf(first.child.pid ?? 0)
    expect(children.map(({ command }) => command).join()).toMatch(/postgres.*deno|deno.*postgres/)
    first.child.kill('SIGINT')
    expect(await first.exited).toBe(0)
    expect(await survivors(children, 2_000)).toEqual([])
    expect(existsSync(join(directory, 'lock'))).toBe(false)

    const second = await start(durable)
    await second.printed('Ctrl-C stops everything')
    expect((await client().auth.signInWithPassword(account)).error).toBeNull()
  }, 120_000)

  test('leaves no process when it is killed, and starts again over what it left', async () => {
    const killed = await start()
    await killed.printed('Ctrl-C stops everything')
    expect(await fsync()).toBe('off')
    const id = await beginDying()
    const children = descendantsOf(killed.child.pid ?? 0)
    expect(children.length).toBeGreaterThan(3)
    killed.child.kill('SIGKILL')
    await killed.exited
    expect(await survivors(children, 5_000)).toEqual([])
    expect(existsSync(join(directory, 'lock'))).toBe(true)

    const next = await start()
    await next.printed('Ctrl-C stops everything')
    expect(next.output()).toContain('Removed a stale lock')
    // Nobody reads it: the clean-up at the start ends what died with the earlier stack.
    const ended = { status: 'failed', error_code: 'interrupted' }
    await expect.poll(() => executionOf(id), { timeout: 30_000, interval: 100 }).toEqual(ended)
  }, 120_000)

  test('a second one beside it is told where the first one runs', async () => {
    const first = await start()
    await first.printed('Ctrl-C stops everything')
    const url = envFile().SUPABASE_URL
    await expectOneLine(
      await start(),
      new RegExp(`^npm start: A stack is running at ${url} already .*kill ${first.child.pid}`),
    )
    expect((await fetch(`${url}/auth/v1/health`, { headers: apikey() })).status).toBe(200)
  }, 60_000)

  test('the command it prints gets an answer from an agent', async () => {
    const command = await start()
    await command.printed('Ctrl-C stops everything')
    const script = /<<'END'\n(.*)\nEND\n/s.exec(command.output())?.[1] ?? ''
    const asked = await runNode(script)
    expect(asked.errors).toBe('')
    expect(asked.output).toContain('This is a local model server, not a real model')
    expect(asked.output).toContain('Who are you?')
  }, 60_000)

  test('a taken port is one line that names another', async () => {
    const server = createServer()
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
    try {
      await expectOneLine(
        await start({ PORT: String(port) }),
        new RegExp(`^npm start: Port ${port} is taken by another program\\. .*PORT=\\d+ npm start`),
      )
    } finally {
      server.close()
    }
    expect(existsSync(join(directory, 'lock'))).toBe(false)
  })

  test('a port that is no number is one line', async () => {
    await expectOneLine(await start({ PORT: 'web' }), /^npm start: PORT is "web", which is no port/)
  })

  test('a database that cannot be reached is one line without its password', async () => {
    const command = await start({ DATABASE_URL: 'postgresql://me:hush@127.0.0.1:1/db' })
    await expectOneLine(
      command,
      /^npm start: DATABASE_URL cannot be used \(127\.0\.0\.1:1\): .*ECONNREFUSED.* unset DATABASE_URL/,
    )
    expect(command.errors()).not.toContain('hush')
  })

  test('damaged secrets are one line', async () => {
    writeFileSync(join(directory, 'secrets.json'), '{')
    await expectOneLine(
      await start(),
      /^npm start: .*secrets\.json is damaged\. .*npm run db:reset/,
    )
  })
})

/** An execution that runs when its stack is killed, and whose lease is over by then. */
async function beginDying(): Promise<string> {
  const person = client()
  await person.auth.signUp({ email: 'bea@example.com', password: 'a long password' })
  await person.rpc('create_organization', { name: 'Bea', slug: 'bea' }).throwOnError()
  await person.auth.refreshSession()
  const request = { message: { content: 'Hi' } }
  const { data } = await person
    .rpc('begin_execution', { request, providers: ['openrouter'] })
    .throwOnError()
  const { execution_id: id } = data as { execution_id: string }
  await withDatabase(
    (sql) => sql`
      update public.agent_executions set lease_expires_at = now() - interval '1 second'
      where id = ${id}`,
  )
  expect(await executionOf(id)).toEqual({ status: 'running', error_code: null })
  return id
}

const executionOf = (id: string) =>
  withDatabase(async (sql) => {
    const [row] = await sql`
      select status, error_code from public.agent_executions where id = ${id}`
    return { ...row }
  })

/** Whether PostgreSQL waits until the disk has what it wrote. */
const fsync = () =>
  withDatabase(async (sql) => {
    const [row] = await sql<{ fsync: string }[]>`show fsync`
    return row?.fsync
  })

async function withDatabase<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result> {
  const sql = connect(envFile()['DATABASE_URL'] ?? '')
  try {
    return await work(sql)
  } finally {
    await sql.end()
  }
}

function apikey(): { apikey: string } {
  return { apikey: envFile().SUPABASE_PUBLISHABLE_KEY ?? '' }
}

async function runNode(script: string): Promise<{ output: string; errors: string }> {
  const child = spawn(process.execPath, ['--input-type=module'])
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  child.stdin.end(script)
  await new Promise((resolve) => child.once('close', resolve))
  return { output, errors }
}
