import { expect, it } from 'vitest'
import { readText } from '../../../supabase/functions/_shared/models/byte-reader.ts'
import { probe } from '../../../supabase/functions/_shared/oauth/probe.ts'
import { giveUp } from '../../../supabase/functions/_shared/outbound/give-up.ts'
import { createWire } from '../../../supabase/functions/_shared/tools/mcp/wire-fetch.ts'
import { stoppedClock } from '../../support/clocks.ts'

const url = 'https://mcp.example/mcp'

/** An answer whose body was cut off before a reader came. */
const cut = (status: number, type = 'text/plain') =>
  new Response(
    new ReadableStream({ start: (controller) => controller.error(new TypeError('cut off')) }),
    { status, headers: { 'content-type': type } },
  )

it('a body that was cut off is given up like another', async () => {
  await expect(cut(200).body?.cancel()).rejects.toThrow('cut off')
  await expect(giveUp(cut(200).body)).resolves.toBeUndefined()
  await expect(giveUp(null)).resolves.toBeUndefined()
})

it('a message without an answer has arrived, although the body that nobody reads broke off', async () => {
  for (const type of ['http', 'sse'] as const) {
    const options = { type, probe: 100, clock: stoppedClock }
    const { fetch } = createWire(() => Promise.resolve(cut(202)), options)
    const body = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })
    expect((await fetch(url, { method: 'POST', body })).ok).toBe(true)
  }
})

it('a challenge is read although its body broke off', async () => {
  const answer = cut(401)
  answer.headers.set('www-authenticate', 'Bearer scope="tools"')
  expect(await probe(() => Promise.resolve(answer), url, 'http')).toMatchObject({ scope: 'tools' })
})

it('the beginning of a text is read although its rest broke off', async () => {
  let reads = 0
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      reads += 1
      if (reads === 1) controller.enqueue(new TextEncoder().encode('much'))
      else controller.error(new TypeError('cut off'))
    },
  })
  expect(await readText(new Response(body), 2)).toEqual({ text: 'mu', truncated: true })
})
