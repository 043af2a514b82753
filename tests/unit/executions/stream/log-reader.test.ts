import { describe, expect, it } from 'vitest'
import { LogReader } from '../../../../supabase/functions/_shared/executions/stream/log-reader.ts'

const event = (n: number) => ({ type: 'text-delta', id: 't', delta: `word ${n} ` })

/** A log of so many batches of one event, given out in pages. */
function logOf(batches: number, perPage: number) {
  const pages: number[] = []
  const call = async (name: string, args: { after_seq?: number }) => {
    if (name === 'read_execution_result') {
      const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 }
      return { status: 'success', content: '', finish_reason: 'stop', usage }
    }
    const first = Math.max((args.after_seq ?? 0) + 1, 1)
    const last = Math.min(first + perPage - 1, batches)
    pages.push(last - first + 1)
    const page = Array.from({ length: Math.max(last - first + 1, 0) }, (_, n) => ({
      seq: first + n,
      events: [event(first + n)],
    }))
    return { status: 'success', batches: page, more: last < batches }
  }
  return { db: { call } as never, pages }
}

describe('the log of an execution', () => {
  it('is read a page at a time: no more than one page waits for a client', async () => {
    const { db, pages } = logOf(10, 4)
    const reader = new LogReader(db, 'e', 0)
    const texts: string[] = []
    for (let ended = false; !ended;) {
      const read = await reader.read()
      texts.push(read.text)
      ended = read.ended
      expect(reader.behind).toBe(!ended)
    }
    expect(pages).toEqual([4, 4, 2])
    expect(texts.map((text) => text.match(/"text-delta"/g)?.length)).toEqual([4, 4, 2])
    const ids = [...texts.join('').matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))
    expect(ids).toEqual(ids.map((_, n) => n + 1))
  })
})
