import * as z from 'zod'
import type { Caller } from '../auth/access-token.ts'
import type { Keyset } from '../crypto/keyset.ts'
import { seal } from '../crypto/seal.ts'
import type { Database } from '../database.ts'
import { AppError } from '../errors.ts'
import { parseServiceAccount } from '../models/service-account.ts'
import { placeOfKey } from './read-key.ts'
import type { TestKey } from './test-key.ts'
import { type KeyProvider, keyProviders } from './with-key.ts'

/** The provider of `/provider-credentials/:provider`. */
export const keyProviderSchema = z.object({ provider: z.enum(keyProviders) })

/** The body of `PUT /provider-credentials/:provider`: a key, or a service account's key file. */
export const providerKeySchema = z.strictObject({
  api_key: z.string().trim().min(8).max(16_384),
})
export const providerKeyLimit = { bytes: 64 * 1024, path: 'api_key' } as const

export interface ProviderKeyDependencies {
  readonly database: Database
  readonly keyset: Keyset
  readonly testKey: TestKey
}

export interface StoredProviderKey {
  readonly provider: KeyProvider
  readonly last_four: string
}

/**
 * Stores the organization's own key of a provider, after a call with it has succeeded.
 * @throws AppError `permission_denied`, `invalid_request` for a malformed key,
 *   `provider_key_rejected`, or how the provider failed; nothing is stored then
 */
export async function storeProviderKey(
  { database, keyset, testKey }: ProviderKeyDependencies,
  { organizationId, userId, accessToken }: Caller,
  provider: KeyProvider,
  key: string,
): Promise<StoredProviderKey> {
  // Checked first: otherwise every caller could test stolen keys here.
  const may = await database
    .forCaller(accessToken)
    .call('has_permission', { permission: 'agents.manage' })
  if (may !== true) throw new AppError('permission_denied')
  const last_four = lastFour(provider, key)
  await testKey(provider, key)
  const sealed_key = await seal(keyset, placeOfKey(organizationId, provider), key)
  // As the service role: a caller who could store a sealed text of their own making would stop the
  // rotation of keys for everyone. Whose it is comes from the verified token.
  await database.admin.call('store_provider_credential', {
    organization_id: organizationId,
    user_id: userId,
    provider,
    sealed_key,
    last_four,
  })
  return { provider, last_four }
}

/** Of a service account, those of its key's id: that is how its owner tells keys apart. */
function lastFour(provider: KeyProvider, key: string): string {
  if (provider !== 'vertex-ai') {
    // It goes into a header as it is. A key file, with its line ends, is read and never sent.
    if (!/^[\x20-\x7e]+$/.test(key)) {
      const message = 'api_key: has a character that no header can carry'
      throw new AppError('invalid_request', { message, path: 'api_key' })
    }
    return key.slice(-4)
  }
  try {
    return parseServiceAccount(key).privateKeyId?.slice(-4) ?? ''
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new AppError('invalid_request', { message: `api_key: ${error.message}`, path: 'api_key' })
  }
}
