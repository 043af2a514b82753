import { describe, expect, it } from 'vitest'
import type { Admin } from '../../../supabase/functions/_shared/database.ts'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import type { Models } from '../../../supabase/functions/_shared/executions/models.ts'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import type { ModelRequest } from '../../../supabase/functions/_shared/models/model-protocol.ts'
import { makeEmbeddings } from '../../../supabase/functions/_shared/search/make-embeddings.ts'
import { systemClock } from '../../../supabase/functions/_shared/time.ts'

const usage = { inputTokens: 5, outputTokens: 0, totalTokens: 5, costUsd: 0.25 }
const step = { provider: 'openrouter', model: 'small', config: {}, credential: 'platform' }

/** A run over these batches; the model answers as `say` does. */
async function run(
  texts: readonly (readonly string[])[],
  say: () => object[],
  options: { budget?: number; refuse?: boolean } = {},
) {
  const left = texts.map((each, n) => ({
    organization_id: 7,
    batch_id: `batch ${n}`,
    step,
    texts: each,
  }))
  const calls: [name: string, args: Record<string, unknown>][] = []
  const asked: ModelRequest[] = []
  const logged: object[] = []
  const admin = {
    role: 'service_role',
    call(name: string, args: Record<string, unknown>) {
      calls.push([name, args])
      if (name === 'claim_embeddings') return Promise.resolve(left.shift() ?? null)
      if (name === 'store_embeddings' && options.refuse === true) {
        return Promise.reject(new AppError('invalid_request'))
      }
      return Promise.resolve((args['vectors'] as unknown[] | undefined)?.length ?? null)
    },
  } as unknown as Admin
  const models = {
    providers: ['openrouter'],
    call(_: unknown, request: ModelRequest, take: (events: object[]) => void) {
      asked.push(request)
      take(say())
      return Promise.resolve()
    },
  } as unknown as Models
  const made = await makeEmbeddings({
    admin,
    models,
    clock: systemClock,
    random: () => 0,
    log: (entry) => logged.push(entry),
    budget: options.budget ?? 10_000,
  })
  const ended = calls.filter(([name]) => name !== 'claim_embeddings')
  return { made, calls, ended, asked, logged }
}

const vectors = () => [
  { type: 'embeddings', vectors: [[1], [2]] },
  { type: 'usage', usage },
]
const failing = (error: Error) => () => {
  throw error
}

describe('a worker that makes vectors', () => {
  it('stores those of each batch with what they cost, until none is due', async () => {
    const { made, ended, asked } = await run(
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
      vectors,
    )
    expect(made).toBe(4)
    expect(asked.map(({ embed }) => embed?.input)).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ])
    const stored = { organization_id: 7, vectors: [[1], [2]], input_tokens: 5, cost_usd: 0.25 }
    expect(ended).toEqual([
      ['store_embeddings', { ...stored, batch_id: 'batch 0' }],
      ['store_embeddings', { ...stored, batch_id: 'batch 1' }],
    ])
  })

  it('calls no model when nothing is due', async () => {
    const { made, asked, calls } = await run([], vectors)
    expect([made, asked, calls.length]).toEqual([0, [], 1])
    expect(calls[0]).toEqual(['claim_embeddings', { providers: ['openrouter'] }])
  })

  it('claims nothing once its time is over', async () => {
    expect((await run([['a']], vectors, { budget: 0 })).calls).toEqual([])
  })

  it('tells the database why a batch failed, what it cost and when to try again', async () => {
    const busy = new ModelError('provider_rate_limited', { retryAfterMs: 1_500 })
    const refused = new ModelError('provider_rejected_request')
    refused.usage = usage as ModelError['usage']
    for (const [error, told] of [
      [busy, { code: busy.code, fault: 'provider', retry_after: 2 }],
      [refused, { code: refused.code, fault: 'caller', input_tokens: 5, cost_usd: 0.25 }],
      [new DOMException('late', 'TimeoutError'), { code: 'provider_timeout', fault: 'provider' }],
      [new TypeError('a defect'), { code: 'provider_misconfigured', fault: 'platform' }],
    ] as const) {
      const { made, ended, logged } = await run([['a']], failing(error))
      expect(made).toBe(0)
      const batch = { organization_id: 7, batch_id: 'batch 0' }
      expect(ended).toEqual([['fail_embeddings', { ...batch, ...told }]])
      expect(logged).toMatchObject([{ event: 'embeddings_failed', code: told.code }])
    }
  })

  it('ends a batch whose vectors the database refuses as a fault of the provider', async () => {
    const { ended } = await run([['a', 'b']], vectors, { refuse: true })
    expect(ended.map(([name]) => name)).toEqual(['store_embeddings', 'fail_embeddings'])
    expect(ended[1]?.[1]).toMatchObject({
      code: 'provider_malformed_response',
      fault: 'provider',
      input_tokens: 5,
    })
  })
})
