import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { findDeno } from '../../../dev/functions/deno-binary.ts'
import { eventStream, head, json } from '../../support/agents/raw-http.ts'
import {
  type RawProvider,
  type RawScript,
  RESET,
  STALL,
  startRawProvider,
} from '../../support/agents/raw-provider.ts'
import { delta, finishFrame, openRouterFrames, TEXT } from './recorded.ts'

let provider: RawProvider
beforeAll(async () => {
  provider = await startRawProvider()
})
afterAll(() => provider.close())

const run = promisify(execFile)
const peer = fileURLToPath(new URL('peer.ts', import.meta.url))
const config = fileURLToPath(
  new URL('../../../supabase/functions/agents/deno.json', import.meta.url),
)
const length = Buffer.byteLength(openRouterFrames.join(''))

const scripts: Record<string, RawScript> = {
  whole: eventStream(openRouterFrames),
  'no-reason': eventStream([delta('a')]),
  reset: [...eventStream([delta('a')]).slice(0, -1), { delayMs: 20 }, RESET],
  'reset-after-reason': [
    ...eventStream([delta('a'), finishFrame]).slice(0, -1),
    { delayMs: 20 },
    RESET,
  ],
  unreachable: [RESET],
  'error-in-200': [json(200, { error: { code: 429 } })],
  'rate-limited': [json(429, {})],
  redirect: [head(302, { location: 'http://127.0.0.1:9/' })],
  bytes: eventStream(
    Array.from(Buffer.from(openRouterFrames.join('')), (byte) => Uint8Array.of(byte)),
  ),
}
for (const framing of ['close', 'chunked'] as const) {
  for (let cutAt = 0; cutAt <= length; cutAt += 7) {
    scripts[`${framing}-${cutAt}`] = eventStream(openRouterFrames, { framing, cutAt })
  }
}

it('Deno and Node tell the same truth about every answer', { timeout: 60_000 }, async () => {
  provider.respond(({ path }) => scripts[path.split('/')[1] ?? ''] ?? [])
  const urls = JSON.stringify(Object.keys(scripts).map((name) => `${provider.url}/${name}`))
  const node = await run(process.execPath, ['--import', 'tsx', peer, urls])
  const permissions = ['--no-prompt', '--allow-net=127.0.0.1']
  const deno = await run(findDeno(), ['run', ...permissions, '--config', config, peer, urls])
  const outcomes = JSON.parse(node.stdout) as { content: string; last: string | null }[]
  expect(JSON.parse(deno.stdout)).toEqual(outcomes)
  expect(outcomes).toHaveLength(Object.keys(scripts).length)
  expect(outcomes[0]).toMatchObject({ content: TEXT, last: 'finish', failure: null })
  expect(outcomes.filter(({ last }) => last === 'finish').length).toBeGreaterThan(10)
  expect(outcomes.filter(({ last }) => last !== 'finish').length).toBeGreaterThan(100)
})

it('Deno gives up on a provider that stalls, however much garbage it has collected meanwhile', async () => {
  provider.respond([...eventStream([delta('a')]).slice(0, -1), STALL])
  const stalled = fileURLToPath(new URL('stalled-peer.ts', import.meta.url))
  const flags = ['--no-prompt', '--allow-net=127.0.0.1', '--v8-flags=--expose-gc']
  const { stdout } = await run(
    findDeno(),
    ['run', ...flags, '--config', config, stalled, provider.url],
    // What aborting does not end would be waited for until here.
    { timeout: 10_000 },
  )
  expect(JSON.parse(stdout)).toEqual({ content: 'a', failure: 'provider_stalled' })
})
