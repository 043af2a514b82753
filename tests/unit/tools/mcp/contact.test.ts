import { describe, expect, it } from 'vitest'
import { OutboundError } from '../../../../supabase/functions/_shared/outbound/error.ts'
import { createOutboundFetch } from '../../../../supabase/functions/_shared/outbound/outbound.ts'
import type { Timeouts } from '../../../../supabase/functions/_shared/tools/mcp/connect.ts'
import { Contact } from '../../../../supabase/functions/_shared/tools/mcp/contact.ts'
import { openMcpServer } from '../../../../supabase/functions/_shared/tools/mcp/open-mcp-server.ts'
import { createServerMemory } from '../../../../supabase/functions/_shared/tools/mcp/server-memory.ts'
import {
  toolRequestLimits,
  toolTimeouts,
} from '../../../../supabase/functions/_shared/tools/tool-limits.ts'
import {
  initialized,
  type Script,
  silence,
  startScripted,
  status,
} from '../../../support/agents/scripted-mcp.ts'
import { ManualClock, stoppedClock } from '../../../support/clocks.ts'

const never = new AbortController().signal
const mute = { 'server/discover': silence, initialize: silence }
const guard = { allowLoopback: true, limits: toolRequestLimits }

type Pass = (milliseconds: number) => void

/** A server whose requests wait for a credential, as they do in an execution. */
async function open(
  script: Script,
  credential: (pass: Pass) => Promise<void>,
  asked: (pass: Pass) => void = () => undefined,
  timeouts: Partial<Timeouts> = { connect: 400, probe: 200 },
) {
  const clock = new ManualClock()
  const pass: Pass = (milliseconds) => clock.advance(milliseconds)
  const { endpoint } = await startScripted(script)
  const contact = new Contact(clock)
  const memory = createServerMemory(clock)
  const guarded = createOutboundFetch(guard)
  const fetch = contact.watch((url, init) => {
    asked(pass)
    return guarded(url, init)
  })
  const key = {
    organizationId: 1,
    userId: 'u',
    configurationId: 2,
    type: 'http',
    endpoint,
  } as const
  const server = openMcpServer(key, {
    ...{ memory, contact, clock },
    timeouts: { ...toolTimeouts, ...timeouts },
    fetch: async (url, init) => {
      await contact.aside(() => credential(pass))
      return fetch(url, init)
    },
  })
  return { server, pausedFor: () => memory.pausedFor(key) }
}

describe('a server whose credential takes all the time there is', () => {
  it('is neither paused nor called silent: the connection is busy', async () => {
    const { server, pausedFor } = await open({}, (pass) => {
      pass(8_000)
      return new Promise(() => undefined)
    })
    await expect(server.list(never)).rejects.toMatchObject({
      code: 'connection_busy',
      headers: { 'retry-after': '5' },
    })
    expect(pausedFor()).toBe(0)
    expect(server.reached()).toBeNull()
  })

  it('is not paused when the little time that was left was not enough', async () => {
    const { server, pausedFor } = await open(mute, async (pass) => pass(8_000))
    await expect(server.list(never)).rejects.toMatchObject({ code: 'server_unreachable' })
    expect(pausedFor()).toBe(0)
    expect(server.reached()).toBe(false)
  })

  it('is paused when it was silent itself, for as long as it may be', async () => {
    const { server, pausedFor } = await open(
      mute,
      async (pass) => pass(8_000),
      (pass) => pass(200),
    )
    await expect(server.list(never)).rejects.toMatchObject({ code: 'server_unreachable' })
    expect(pausedFor()).toBe(30_000)
  })
})

describe('a server is known to be reached', () => {
  const refused = (reason: OutboundError['reason']) => new OutboundError(reason, 'x')
  it.each([
    ['when it answers', async () => new Response(null, { status: 500 }), true],
    ['when it answers with a redirect', () => Promise.reject(refused('forbidden_redirect')), true],
    ['never, when it is silent', () => Promise.reject(refused('timeout')), false],
    ['never, when nobody listens', () => Promise.reject(refused('unreachable')), false],
    [
      'by nothing, when its address is refused',
      () => Promise.reject(refused('forbidden_address')),
      null,
    ],
    [
      'by nothing, when its host is not allowed',
      () => Promise.reject(refused('host_not_allowed')),
      null,
    ],
  ])('%s', async (_when, answer, expected) => {
    const contact = new Contact(stoppedClock)
    await Promise.allSettled([contact.watch(answer)('https://a.example')])
    expect(contact.reached).toBe(expected)
  })

  it('also while a later request fails, and by the server that tools are listed of', async () => {
    const script = { initialize: initialized, 'tools/list': status(500) }
    const { server } = await open(script, () => Promise.resolve(), undefined, {})
    expect(server.reached()).toBeNull()
    await expect(server.list(never)).rejects.toMatchObject({ code: 'server_failed' })
    expect(server.reached()).toBe(true)
  })
})
