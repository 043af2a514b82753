import { describe, expect, it } from 'vitest'
import { createClientStream } from '../../../../supabase/functions/_shared/executions/stream/client-stream.ts'
import {
  keepAlive,
  keepAliveInterval,
} from '../../../../supabase/functions/_shared/executions/stream/ui-message-stream.ts'
import { ManualClock, stoppedClock } from '../../../support/clocks.ts'

function open(limit = 100) {
  const lost: string[] = []
  const stream = createClientStream({
    limit,
    clock: stoppedClock,
    onLost: (reason) => lost.push(reason),
  })
  return { ...stream, lost }
}

describe('the stream to a client', () => {
  it('carries every text as one chunk, then ends', async () => {
    const { readable, write, end, lost } = open()
    write('one')
    write('')
    write('two')
    end()
    const chunks: string[] = []
    for await (const chunk of readable) chunks.push(new TextDecoder().decode(chunk))
    expect(chunks).toEqual(['one', 'two'])
    expect(lost).toEqual([])
  })

  it('tells when the client leaves, once, and then takes texts without effect', async () => {
    const { readable, write, end, lost } = open()
    write('one')
    await readable.cancel()
    write('two')
    end()
    expect(lost).toEqual(['disconnected'])
  })

  it('keeps what a slow client has not read, and takes no more once the limit waits', async () => {
    const { readable, write, lost } = open(10)
    write('12345')
    write('67890')
    expect(lost).toEqual([])
    write('x')
    expect(lost).toEqual(['too_slow'])
    write('y')
    await expect(readable.getReader().read()).rejects.toThrow('too slowly')
    expect(lost).toEqual(['too_slow'])
  })

  it('keeps one text that is longer than the limit: a picture comes whole', async () => {
    const { readable, write, lost } = open(10)
    write('1')
    write('2'.repeat(1_000))
    expect(lost).toEqual([])
    write('3')
    expect(lost).toEqual(['too_slow'])
    await expect(readable.getReader().read()).rejects.toThrow('too slowly')
  })

  it('has room again for what the client has read', async () => {
    const { readable, write, lost } = open(10)
    const reader = readable.getReader()
    for (let round = 0; round < 5; round += 1) {
      write('1234567890')
      await reader.read()
    }
    expect(lost).toEqual([])
  })

  it('says in silence that it is alive, and only then', async () => {
    const clock = new ManualClock(0)
    const { readable, write, end } = createClientStream({
      limit: 1_000,
      clock,
      onLost: () => undefined,
    })
    clock.advance(keepAliveInterval - 1)
    write('one')
    clock.advance(keepAliveInterval - 1)
    write('two')
    clock.advance(2 * keepAliveInterval + 1_000)
    end()
    expect(clock.timers).toBe(0)
    expect(await new Response(readable).text()).toBe(`onetwo${keepAlive}${keepAlive}`)
  })

  it('is cut by an error, which no client takes for an orderly end', async () => {
    const { readable, write, cut, lost } = open()
    write('one')
    cut('the reason')
    write('two')
    await expect(new Response(readable).text()).rejects.toThrow('the reason')
    expect(lost).toEqual([])
  })
})
