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

const unexpected = (problem: string) => {
  throw new Error(problem)
}

describe('the registry', () => {
  it('names the providers that are configured', () => {
    expect(configuredProviders({}, unexpected)).toEqual([])
    expect(configuredProviders({ openrouter: { apiKey: 'k' } }, unexpected)).toEqual(['openrouter'])
    expect(configuredProviders(all, unexpected)).toEqual([
      'openrouter',
      'vertex-ai',
      'openai-compatible',
    ])
  })

  it('makes one adapter per provider and configuration, so that tokens are shared', () => {
    for (const provider of configuredProviders(all, unexpected)) {
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

  it('leaves out a provider whose configuration cannot be used, and says which field is why', () => {
    const problemsOf = (broken: ModelConfiguration) => {
      const problems: string[] = []
      expect(
        configuredProviders({ ...all, ...broken }, (problem) => problems.push(problem)),
      ).toHaveLength(2)
      return problems
    }
    expect(problemsOf({ vertexAi: { serviceAccount: keyFile({ client_email: '' }) } })).toEqual([
      expect.stringMatching(/^vertex-ai: .*has no client_email/),
    ])
    expect(
      problemsOf({ vertexAi: { serviceAccount: keyFile({ project_id: undefined }) } }),
    ).toEqual([expect.stringMatching(/^vertex-ai: .*no project/)])
    expect(problemsOf({ openrouter: { apiKey: 'k', baseUrl: 'openrouter' } })).toEqual([
      expect.stringMatching(/^openrouter: .*base URL/),
    ])
  })
})
