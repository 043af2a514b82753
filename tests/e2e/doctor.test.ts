import { execFile } from 'node:child_process'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { Finding } from '../../ops/finding.ts'
import { inspectImage } from '../../ops/inspect-image.ts'
import { inspectProject } from '../../ops/inspect-project.ts'
import { useStack } from '../support/stack/stack.ts'

const failed = (findings: readonly Finding[]) =>
  findings.filter(({ state }) => state === 'failed').map(({ check }) => check)

const servers: ReturnType<typeof createServer>[] = []
afterEach(() => servers.splice(0).forEach((server) => server.close()))

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a project that runs is well, and one whose parts are elsewhere is not', async () => {
  const { url, publishableKey } = useStack()
  const findings = await inspectProject(url, publishableKey)
  expect(failed(findings)).toEqual([])
  expect(findings).toHaveLength(11)
  const nowhere = await inspectProject(`${url}/none`, publishableKey)
  expect(failed(nowhere)).toEqual(nowhere.map(({ check }) => check))
})

test('functions that answer for their health and have no key are not well', async () => {
  const url = await serve((request, response) => {
    if (request.method === 'POST') response.writeHead(503).end('{"code":"not_configured"}')
    else response.end('{"status":"ok"}')
  })
  const found = failed(await inspectProject(url, 'sb_publishable_none'))
  expect(found.filter((check) => check.startsWith('function '))).toEqual([
    'function agents knows whom to refuse',
    'function oauth knows whom to refuse',
  ])
})

test('a database that cannot be reached takes no other finding away', async () => {
  const { url, publishableKey } = useStack()
  const env = {
    ...process.env,
    SUPABASE_PUBLISHABLE_KEY: publishableKey,
    DATABASE_URL: 'postgresql://postgres@127.0.0.1:1/postgres',
    SUPABASE_ACCESS_TOKEN: '',
  }
  const run = await new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile('node', ['--import', 'tsx', 'ops/doctor.ts', url], { env }, (error, stdout, stderr) =>
      resolve({ code: error?.code, output: `${stdout}${stderr}` }),
    )
  })
  expect(run.output).toMatch(/^ok +function agents answers$/m)
  expect(run.output).toMatch(/^failed +the database answers$/m)
  expect(run.output).toMatch(/^unknown +image$/m)
  expect(run.code).toBe(1)
}, 120_000)

test.each([
  ['17.6.1.155', 'ok'],
  ['17.6.2.1', 'ok'],
  ['18.1.0.2', 'ok'],
  ['17.6.1.154', 'failed'],
  ['17.4.1.200', 'failed'],
  ['15.8.1.200', 'failed'],
  ['of another form', 'unknown'],
])('image %s is %s', async (version, state) => {
  const api = await serve(({ url, headers }, response) => {
    const known = url === '/v1/projects/ref' && headers.authorization === 'Bearer token'
    response.writeHead(known ? 200 : 401).end(JSON.stringify({ database: { version } }))
  })
  expect((await inspectImage('ref.example.com', 'token', api)).state).toBe(state)
  expect((await inspectImage('ref.example.com', 'other', api)).state).toBe('failed')
})
