import { spawn } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startBreakingProxy, type Tampering } from '../support/stack/breaking-proxy.ts'
import { makeDirectory } from '../support/stack/directory.ts'
import { useStack } from '../support/stack/stack.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Run {
  code: number | null
  output: string
}

/** Runs the demo as `npm run demo` does, with nothing but the given variables set. */
function runDemo(variables: Record<string, string>): Promise<Run> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'dev/demo/run.ts'], {
    cwd: root,
    // Set but empty: a key in the developer's .env must not be spent by a test.
    env: { PATH: process.env.PATH, OPENROUTER_API_KEY: '', OPENROUTER_BASE_URL: '', ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output }))
  })
}

function onStack(url = useStack().url): Record<string, string> {
  return { SUPABASE_URL: url, SUPABASE_PUBLISHABLE_KEY: useStack().publishableKey }
}

async function runBroken(tampering: Tampering): Promise<Run> {
  const proxy = await startBreakingProxy(useStack().url, tampering)
  onTestFinished(() => proxy.close())
  return runDemo(onStack(proxy.url))
}

/** The access token of who asks an agent first, which is the owner of everything the demo makes. */
function ownersToken(): { note: NonNullable<Tampering['request']>; get: () => string | undefined } {
  let token: string | undefined
  return {
    note: (request) => {
      if (request.url === '/functions/v1/agents/invoke') token ??= request.headers.authorization
    },
    get: () => token,
  }
}

describe('the demo', { timeout: 60_000 }, () => {
  test('holds on a running stack, and again on the same one', async () => {
    for (const _run of [1, 2]) {
      const { code, output } = await runDemo(onStack())
      expect(output).toMatch(/droid: This is a local model server/)
      expect(output).toMatch(/All \d\d checks hold/)
      expect(output).not.toContain('✗')
      expect(code).toBe(0)
    }
  })

  test('starts a stack of its own when none runs, and leaves nothing behind', async () => {
    const directory = makeDirectory()
    onTestFinished(() => rmSync(directory, { recursive: true }))

    const { code, output } = await runDemo({ COLLOQUY_DIRECTORY: directory, TMPDIR: directory })

    expect(output).toContain('No stack is running')
    expect(output).toMatch(/All \d\d checks hold/)
    expect(code).toBe(0)
    expect(readdirSync(directory).filter((name) => name.startsWith('colloquy-'))).toEqual([])
  })

  test('says in one line that the project of SUPABASE_URL does not answer', async () => {
    const { code, output } = await runDemo(onStack('http://127.0.0.1:1'))
    expect(output.trim().split('\n')).toHaveLength(1)
    expect(output).toContain('SUPABASE_URL is set to http://127.0.0.1:1, but it cannot be reached')
    expect(code).toBe(1)
  })
})

describe('the demo fails', { timeout: 60_000 }, () => {
  test.each(['chat_messages', 'audit_logs'])(
    'when a stranger reads the owner’s %s',
    async (table) => {
      const owner = ownersToken()
      const { code, output } = await runBroken({
        request: (request) => {
          owner.note(request)
          const isRead = request.method === 'GET' && request.url?.includes(`/rest/v1/${table}`)
          const token = owner.get()
          if (isRead && token !== undefined) request.headers.authorization = token
        },
      })
      expect(output).toMatch(new RegExp(`✗ NOT SO: [\\w.]*${table} `))
      expect(code).toBe(1)
    },
  )

  test.each([
    ['renames the owner’s session', 'PATCH', 'chat_sessions', 'renaming the session'],
    ['deletes the owner’s session', 'DELETE', 'chat_sessions', 'deleting the session'],
  ])('when a stranger %s', async (_what, method, table, claim) => {
    const owner = ownersToken()
    const { code, output } = await runBroken({
      request: (request) => {
        owner.note(request)
        const token = owner.get()
        const isWrite = request.method === method && request.url?.includes(`/rest/v1/${table}`)
        if (isWrite && token !== undefined) request.headers.authorization = token
      },
    })
    expect(output).toContain(`✗ NOT SO: ${claim}`)
    expect(code).toBe(1)
  })

  test('when the agent answers a stranger in the owner’s session', async () => {
    const owner = ownersToken()
    const { code, output } = await runBroken({
      request: (request) => {
        owner.note(request)
        const token = owner.get()
        const isAsked = request.url === '/functions/v1/agents/invoke'
        if (isAsked && token !== undefined) request.headers.authorization = token
      },
    })
    expect(output).toContain('✗ NOT SO: asking droid in the session')
    expect(code).toBe(1)
  })

  test('when the answer comes all at once', async () => {
    const { code, output } = await runBroken({
      buffers: (request) => request.url?.startsWith('/functions/v1/') === true,
    })
    expect(output).toMatch(/✗ NOT SO: it arrived in 1 pieces/)
    expect(code).toBe(1)
  })
})
