import type { ProviderAddresses } from '../env.ts'
import { AppError } from '../errors.ts'
import { completeModel } from '../models/complete-model.ts'
import type { ModelCallOptions } from '../models/model-call.ts'
import { ModelError, type ModelErrorCode } from '../models/model-error.ts'
import type { ModelRequest } from '../models/model-protocol.ts'
import { resolveAdapter } from '../models/registry.ts'
import { type KeyProvider, withKey } from './with-key.ts'

/**
 * Makes one cheap call with a key.
 * @throws AppError `provider_key_rejected`, or how the provider failed
 */
export type TestKey = (provider: KeyProvider, key: string) => Promise<void>

/** The cheapest of the models that are seeded. */
const models = { openrouter: 'openai/gpt-4', 'vertex-ai': 'gemini-1.5-flash' } as const

const question: Omit<ModelRequest, 'model'> = {
  config: {},
  systemPrompts: [],
  messages: [{ role: 'user', content: 'Hi' }],
  params: { max_output_tokens: 16 },
}

const refused: ReadonlySet<ModelErrorCode> = new Set([
  'provider_unauthorized',
  'provider_payment_required',
])
// These failures follow an accepted key: it may serve another model, or a longer request.
const accepted: ReadonlySet<ModelErrorCode> = new Set([
  'provider_model_not_found',
  'provider_rejected_request',
  'provider_empty_response',
  'provider_rate_limited',
])

/** Milliseconds that a few words may take: a person waits for them. */
const patience = 20_000

export function createKeyTest(
  addresses: ProviderAddresses,
  options: Pick<ModelCallOptions, 'clock'> = {},
): TestKey {
  return async (provider, key) => {
    const adapter = resolveAdapter(provider, withKey(provider, key, addresses))
    try {
      const request = { ...question, model: models[provider] }
      await completeModel(adapter, request, { ...options, timeouts: { completeMs: patience } })
    } catch (error) {
      if (!(error instanceof ModelError)) throw error
      if (accepted.has(error.code)) return
      const cause = error.detail ?? error.message
      throw new AppError(refused.has(error.code) ? 'provider_key_rejected' : error.code, { cause })
    }
  }
}
