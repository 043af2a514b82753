import type { ModelAdapter } from '../../../supabase/functions/_shared/models/model-adapter.ts'
import {
  addToAnswer,
  emptyAnswer,
  type ModelAnswer,
} from '../../../supabase/functions/_shared/models/model-answer.ts'
import type { ModelCallOptions } from '../../../supabase/functions/_shared/models/model-call.ts'
import type {
  ModelEvent,
  ModelRequest,
} from '../../../supabase/functions/_shared/models/model-protocol.ts'
import { createOpenRouterAdapter } from '../../../supabase/functions/_shared/models/openai-compatible.ts'
import { streamModel } from '../../../supabase/functions/_shared/models/stream-model.ts'

export const API_KEY = 'sk-or-v1-0123456789abcdef0123456789abcdef'

export const request: ModelRequest = {
  model: 'openai/gpt-4',
  systemPrompts: ['Be brief.'],
  messages: [{ role: 'user', content: 'Wie geht es?' }],
  params: {},
  config: {},
}

export function openRouter(url: string): ModelAdapter {
  return createOpenRouterAdapter({ apiKey: API_KEY, baseUrl: `${url}/api/v1` })
}

/** How one streamed call went: everything it handed out, then its end or its error. */
export interface Outcome {
  batches: (readonly ModelEvent[])[]
  answer: ModelAnswer
  error: unknown
}

export async function collect(
  adapter: ModelAdapter,
  options: ModelCallOptions = {},
  asked: ModelRequest = request,
): Promise<Outcome> {
  const outcome: Outcome = { batches: [], answer: emptyAnswer(), error: null }
  try {
    const take = (batch: readonly ModelEvent[]) => {
      outcome.batches.push(batch)
      addToAnswer(outcome.answer, batch)
    }
    await streamModel(adapter, asked, take, options)
  } catch (error) {
    outcome.error = error
  }
  return outcome
}

/** A fetch that answers from memory: a 200 whose body delivers these chunks, one per read. */
export function fetchOf(chunks: readonly Uint8Array[], type = 'text/event-stream'): typeof fetch {
  return () => {
    let next = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const chunk = chunks[next]
        next += 1
        if (chunk === undefined) controller.close()
        else controller.enqueue(chunk)
      },
    })
    return Promise.resolve(new Response(body, { headers: { 'content-type': type } }))
  }
}

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Splits bytes at the given offsets, which may be in any order and out of range. */
export function splitAt(bytes: Uint8Array, offsets: readonly number[]): Uint8Array[] {
  const inside = offsets.map((offset) => offset % (bytes.length + 1)).sort((a, b) => a - b)
  const edges = [0, ...inside, bytes.length]
  return edges.slice(1).map((end, index) => bytes.slice(edges[index], end))
}
