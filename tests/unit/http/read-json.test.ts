import { describe, expect, it } from 'vitest'
import { readJson } from '../../../supabase/functions/_shared/http/read-json.ts'

const limit = { bytes: 100, path: 'message.content' }
const read = (body: BodyInit | null, headers: Record<string, string> = {}) =>
  readJson(
    new Request('http://test', { method: 'POST', body, headers, duplex: 'half' } as RequestInit),
    limit,
  )

/** A body of chunks that notes how many were asked for and whether the reader gave up. */
function chunked(chunks: Uint8Array[]) {
  const state = { pulled: 0, cancelled: false }
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const chunk = chunks[state.pulled]
        state.pulled += 1
        if (chunk) controller.enqueue(chunk)
        else controller.close()
      },
      cancel() {
        state.cancelled = true
      },
    },
    { highWaterMark: 0 },
  )
  return { body, state }
}

describe('a request body', () => {
  it('is read as JSON, however its bytes are split', async () => {
    const bytes = new TextEncoder().encode('{"text":"größe 🎈"}')
    expect(await read(chunked([...bytes].map((byte) => Uint8Array.of(byte))).body)).toEqual({
      text: 'größe 🎈',
    })
  })

  it('of exactly the limit is accepted, one byte more is blamed on the field that may be long', async () => {
    const json = (length: number) => JSON.stringify('x'.repeat(length - 2))
    expect(await read(json(100))).toHaveLength(98)
    await expect(read(json(101))).rejects.toMatchObject({
      code: 'invalid_request',
      path: 'message.content',
    })
  })

  it('over the limit is not read to its end, whatever content-length claims', async () => {
    const { body, state } = chunked(Array.from({ length: 50 }, () => new Uint8Array(30)))
    await expect(read(body, { 'content-length': '5' })).rejects.toMatchObject({
      path: 'message.content',
    })
    expect(state).toEqual({ pulled: 4, cancelled: true })
  })

  it('that takes longer than its time is given up and cancelled', async () => {
    let cancelled = false
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Uint8Array.of(0x22)),
      cancel: () => {
        cancelled = true
      },
    })
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit
    const late = readJson(new Request('http://test', init), { ...limit, milliseconds: 20 })
    await expect(late).rejects.toMatchObject({ code: 'request_timeout', status: 408 })
    expect(cancelled).toBe(true)
  })

  it.each([
    ['empty', ''],
    ['half of JSON', '{"message":'],
    ['a form', 'a=1&b=2'],
    ['two values', '{} {}'],
    ['not UTF-8', Uint8Array.of(0x22, 0xff, 0x22)],
    ['half a UTF-8 sequence', Uint8Array.of(0x22, 0xc3)],
  ])('that is %s is refused as a whole', async (_, body) => {
    await expect(read(body)).rejects.toMatchObject({
      code: 'invalid_request',
      status: 400,
      path: '',
    })
  })

  it('that is absent is refused', async () => {
    await expect(read(null)).rejects.toMatchObject({ code: 'invalid_request', path: '' })
  })

  it('that ends early is the client’s doing, and is never quoted', async () => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode('{"message":')),
      pull: () => Promise.reject(new TypeError('hidden')),
    })
    const error = await read(body).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'invalid_request', path: '', cause: 'TypeError' })
  })

  it('is never quoted in an error, nor in its cause', async () => {
    const error = await read('{"password": hidden').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(Error)
    const { message, cause } = error as Error
    expect(`${message} ${String(cause)}`).not.toContain('hidden')
  })
})
