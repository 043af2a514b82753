import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findDeno } from '../../../dev/functions/deno-binary.ts'
import { head } from '../../support/agents/raw-http.ts'
import {
  type RawProvider,
  type RawScript,
  STALL,
  startRawProvider,
} from '../../support/agents/raw-provider.ts'
import { keyFile } from '../models/vertex-support.ts'

const run = promisify(execFile)
const peer = fileURLToPath(new URL('clients-peer.ts', import.meta.url))
const config = fileURLToPath(
  new URL('../../../supabase/functions/agents/deno.json', import.meta.url),
)

const long = head(200, { 'content-type': 'application/json', 'content-length': '5000' })
const stream = head(200, { 'content-type': 'text/event-stream', 'content-length': '5000' })
/** Servers that keep a client waiting, and one that leaves in the middle of its answer. */
const servers: Record<string, RawScript> = {
  silent: [STALL],
  'silent after its head': [long, '{', STALL],
  dripping: [long, '{', ...Array.from({ length: 4_000 }, () => [{ delayMs: 50 }, ' ']).flat()],
  cut: [long, '{'],
}

type Ends = Record<string, Record<string, string>>
const all = (code: string) =>
  Object.fromEntries(Object.keys(servers).map((server) => [server, code]))

/** The code with which each client ends at each server. */
const expected: Ends = {
  'listing tools': all('server_unreachable'),
  'listing tools over SSE': all('server_unreachable'),
  'calling a tool': all('server_unreachable'),
  'calling a tool over SSE': all('server_unreachable'),
  'discovering an authorization server': all('server_unreachable'),
  'registering a client': all('authorization_server_unreachable'),
  'exchanging a code': all('authorization_server_unreachable'),
  'refreshing tokens': all('authorization_server_unreachable'),
  // The status alone says that the tokens are revoked (RFC 7009, section 2.2).
  'revoking tokens': { ...all('revoked'), silent: 'revocation_failed' },
  'testing a provider’s key': { ...all('provider_timeout'), cut: 'provider_stream_truncated' },
  'testing a service account': { ...all('provider_timeout'), cut: 'provider_unreachable' },
  'exchanging a service account': { ...all('provider_timeout'), cut: 'provider_unreachable' },
  'asking a model': { ...all('provider_timeout'), cut: 'provider_stream_truncated' },
  'reading the keys of tokens': all('auth_unavailable'),
  'asking Auth about a token': all('auth_unavailable'),
  'calling the database': all('database_unavailable'),
}

let provider: RawProvider
beforeAll(async () => {
  provider = await startRawProvider()
  const names = Object.keys(servers).sort((a, b) => b.length - a.length)
  provider.respond(({ method, path, headers }) => {
    const name = names.find((server) => decodeURIComponent(path).includes(server))
    const script = name === undefined ? [] : (servers[name] ?? [])
    const isStream = method === 'GET' && headers['accept']?.startsWith('text/event-stream')
    return isStream ? script.map((step) => (step === long ? stream : step)) : script
  })
})
afterAll(() => provider.close())

const runtimes: Record<string, [string, string[]]> = {
  node: [process.execPath, ['--expose-gc', '--import', 'tsx']],
  deno: [
    findDeno(),
    [
      'run',
      '--no-prompt',
      '--no-lock',
      '--allow-net=127.0.0.1',
      '--v8-flags=--expose-gc',
      '--config',
      config,
    ],
  ],
}

describe('a server that is silent, drips or leaves ends each client in its deadline, with a code', () => {
  it.each(Object.keys(runtimes))('on %s', { timeout: 90_000 }, async (runtime) => {
    const [program, args] = runtimes[runtime] ?? ['', []]
    const names = JSON.stringify(Object.keys(servers).map(encodeURIComponent))
    const { stdout } = await run(program, [...args, peer, provider.url, names, keyFile()], {
      env: { ...process.env, DENO_NO_UPDATE_CHECK: '1' },
      // What no deadline ends would be waited for until here.
      timeout: 80_000,
    })
    const ends = JSON.parse(stdout.replaceAll('%20', ' ')) as Ends
    expect(ends).toEqual(expected)
  })
})
