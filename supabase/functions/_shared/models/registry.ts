import type { ModelAdapter } from './model-adapter.ts'
import { ModelError } from './model-error.ts'
import {
  createOpenAiCompatibleAdapter,
  createOpenRouterAdapter,
  type OpenAiCompatibleConfiguration,
  type OpenRouterConfiguration,
} from './openai-compatible.ts'
import { createVertexAdapter, type VertexConfiguration } from './vertex.ts'

/** Credentials and addresses of the providers; one that is absent cannot be used. */
export interface ModelConfiguration {
  openrouter?: OpenRouterConfiguration
  vertexAi?: VertexConfiguration
  openaiCompatible?: OpenAiCompatibleConfiguration
}

/** A provider's name as rows of `models` carry it, and how its adapter is made. */
const factories: Readonly<
  Record<string, (configuration: ModelConfiguration) => ModelAdapter | null>
> = {
  openrouter: ({ openrouter }) =>
    openrouter === undefined ? null : createOpenRouterAdapter(openrouter),
  'vertex-ai': ({ vertexAi }) => (vertexAi === undefined ? null : createVertexAdapter(vertexAi)),
  'openai-compatible': ({ openaiCompatible }) =>
    openaiCompatible === undefined ? null : createOpenAiCompatibleAdapter(openaiCompatible),
}

/** One adapter per configuration object, so that a worker's calls share its cached token. */
const adapters = new WeakMap<ModelConfiguration, Map<string, ModelAdapter>>()

/**
 * The adapter of a provider.
 *
 * @throws ModelError `provider_misconfigured` for an unknown or unconfigured provider
 * @throws TypeError for a configuration that cannot be used, naming the field
 */
export function resolveAdapter(provider: string, configuration: ModelConfiguration): ModelAdapter {
  const adapter = findAdapter(provider, configuration)
  if (adapter !== null) return adapter
  throw new ModelError('provider_misconfigured', { detail: 'the provider is not configured' })
}

/**
 * The names of the providers that have what they need.
 *
 * @param report gets what is wrong with a configuration that cannot be used; it names the field
 */
export function configuredProviders(
  configuration: ModelConfiguration,
  report: (problem: string) => void,
): string[] {
  return Object.keys(factories).filter((name) => {
    try {
      return findAdapter(name, configuration) !== null
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      report(`${name}: ${error.message}`)
      return false
    }
  })
}

function findAdapter(provider: string, configuration: ModelConfiguration): ModelAdapter | null {
  const known = adapters.get(configuration) ?? new Map<string, ModelAdapter>()
  adapters.set(configuration, known)
  const existing = known.get(provider)
  if (existing !== undefined) return existing
  const factory = Object.hasOwn(factories, provider) ? factories[provider] : undefined
  const adapter = factory?.(configuration) ?? null
  if (adapter !== null) known.set(provider, adapter)
  return adapter
}
