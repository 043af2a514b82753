import { describe, expect, it } from 'vitest'
import { createServerMemory } from '../../../../supabase/functions/_shared/tools/mcp/server-memory.ts'
import { openAt } from '../../../support/agents/open-scripted.ts'
import {
  discovered,
  initialized,
  silence,
  startScripted,
  status,
  tool,
} from '../../../support/agents/scripted-mcp.ts'
import { ManualClock, stoppedClock } from '../../../support/clocks.ts'

const never = new AbortController().signal
const listing = { tools: [tool('a')] }
const done = { content: [{ type: 'text', text: 'done' }] }
const definition = { name: 'a', input_schema: {} }

it('a silent server costs one wait, is then left alone for 30 s, and is asked again after', async () => {
  const clock = new ManualClock()
  const memory = createServerMemory(clock)
  const script = { initialize: initialized, 'tools/list': listing, 'tools/call': done }
  const server = await startScripted({ 'server/discover': silence, initialize: silence })
  const timeouts = { connect: 400, probe: 200 }
  const list = () => openAt(server, { memory, timeouts }).list(never)
  await expect(list()).rejects.toMatchObject({ code: 'server_unreachable' })
  const asked = server.sent.length
  server.script = script
  await expect(list()).rejects.toMatchObject({
    code: 'server_paused',
    headers: { 'retry-after': '30' },
  })
  const call = await openAt(server, { memory }).call(definition, {}, never)
  expect(call).toMatchObject({ status: 'error', error_code: 'server_paused' })
  expect(server.sent).toHaveLength(asked)
  clock.advance(30_000)
  expect((await openAt(server, { memory }).list(never)).tools).toHaveLength(1)
})

describe('what a server turned out to be', () => {
  const older = { initialize: initialized, 'tools/list': listing, 'tools/call': done }
  const asked = (methods: string[]) =>
    methods.filter((method) => method === 'server/discover' || method === 'initialize')

  it('is remembered for the next execution, for ten minutes', async () => {
    const clock = new ManualClock()
    const memory = createServerMemory(clock)
    const server = await startScripted(older)
    const use = () => openAt(server, { memory }).list(never)
    await use()
    await use()
    expect(asked(server.methods())).toEqual(['server/discover', 'initialize', 'initialize'])
    clock.advance(600_001)
    await use()
    expect(asked(server.methods())).toHaveLength(5)
  })

  it('is asked anew after it failed, so that a server may be replaced by a modern one', async () => {
    const memory = createServerMemory(stoppedClock)
    const server = await startScripted(older)
    const use = () => openAt(server, { memory }).list(never)
    await use()
    server.script = {
      'server/discover': discovered,
      initialize: status(500),
      'tools/list': { ...listing, resultType: 'complete' },
    }
    await expect(use()).rejects.toMatchObject({ code: 'server_failed' })
    expect((await use()).tools).toHaveLength(1)
  })

  it('is bounded in memory, and each organization learns for itself', () => {
    const memory = createServerMemory(stoppedClock)
    const key = (configurationId: number, organizationId = 1) =>
      ({
        organizationId,
        configurationId,
        userId: 'u',
        type: 'http',
        endpoint: 'https://a',
      }) as const
    for (let n = 0; n < 10_000; n += 1) memory.remember(key(n), 'older')
    expect(memory.recall(key(9_999))).toBe('older')
    expect(memory.recall(key(9_999, 2))).toBeUndefined()
    expect(memory.recall(key(9_499))).toBeUndefined()
  })
})
