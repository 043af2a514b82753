import type { ProviderAddresses } from '../env.ts'
import { parseServiceAccount } from '../models/service-account.ts'
import type { ModelConfiguration } from '../models/registry.ts'

/** Providers whose keys organizations may bring. */
export const keyProviders = ['openrouter', 'vertex-ai'] as const
export type KeyProvider = (typeof keyProviders)[number]

/**
 * The configuration of one provider with another key. Addresses never come from the key, although
 * a service account names one: the member who stores a key must not choose where requests go.
 * @throws TypeError for an invalid service account, naming the field
 */
export function withKey(
  provider: string,
  key: string,
  { openrouter, vertexAi }: ProviderAddresses,
): ModelConfiguration {
  if (provider === 'openrouter') {
    return { openrouter: { apiKey: key, ...openrouter } }
  }
  if (provider === 'vertex-ai') {
    // Says what is wrong without quoting the key, which the parser of JSON would.
    parseServiceAccount(key)
    const { serviceAccount: platform, ...address } = vertexAi
    const { token_uri: _, ...account } = JSON.parse(key) as Record<string, unknown>
    const token_uri = platform === undefined ? undefined : parseServiceAccount(platform).tokenUri
    const serviceAccount = JSON.stringify({ ...account, ...(token_uri && { token_uri }) })
    return { vertexAi: { serviceAccount, ...address } }
  }
  return {}
}
