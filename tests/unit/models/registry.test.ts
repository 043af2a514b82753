import { describe, expect, it } from 'vitest'
import {
  configuredProviders,
  type ModelConfiguration,
  resolveAdapter,
} from '../../../supabase/functions/_shared/models/registry.ts'
import { keyFile } from './vertex-support.ts'

const all: ModelConfiguration = {
  openrouter: { apiKey: 'k' },
  vertexAi: { serviceAccount: keyFile() },
  openaiCompatible: { baseUrl: 'http://127.0.0.1:1/v1' },
}

describe('the registry', () => {
  it('names the providers that are configured', () => {
    expect(configuredProviders({})).toEqual([])
    expect(configuredProviders({ openrouter: { apiKey: 'k' } })).toEqual(['openrouter'])
    expect(configuredProviders(all)).toEqual(['openrouter', 'vertex-ai', 'openai-compatible'])
  })

  it('makes one adapter per provider and configuration, so that tokens are shared', () => {
    for (const provider of configuredProviders(all)) {
      const adapter = resolveAdapter(provider, all)
      expect(adapter.provider).toBe(provider)
      expect(resolveAdapter(provider, all)).toBe(adapter)
      expect(resolveAdapter(provider, { ...all })).not.toBe(adapter)
    }
  })

  it.each(['openrouter', 'unknown', '', '__proto__', 'constructor'])(
    'refuses the provider %j when it is not configured',
    (provider) => {
      expect(() => resolveAdapter(provider, {})).toThrow(
        expect.objectContaining({ code: 'provider_misconfigured', fault: 'platform' }),
      )
    },
  )

  it('refuses an unusable configuration at start, naming the field', () => {
    const broken = { vertexAi: { serviceAccount: keyFile({ client_email: '' }) } }
    expect(() => configuredProviders(broken)).toThrow('has no client_email')
    const nowhere = { vertexAi: { serviceAccount: keyFile({ project_id: undefined }) } }
    expect(() => configuredProviders(nowhere)).toThrow('no project')
    const address = { openrouter: { apiKey: 'k', baseUrl: 'openrouter' } }
    expect(() => configuredProviders(address)).toThrow('base URL')
  })
})
