import type { Keyset } from '../crypto/keyset.ts'
import { open, OpenError, type Place } from '../crypto/seal.ts'
import type { Admin } from '../database.ts'
import type { ProviderAddresses } from '../env.ts'
import { ModelError } from '../models/model-error.ts'
import type { ModelConfiguration } from '../models/registry.ts'
import { withKey } from './with-key.ts'

/**
 * The configuration with an organization's own key of a provider.
 * @throws ModelError `provider_misconfigured` when there is none that opens
 */
export type ReadOrganizationKey = (
  organizationId: number,
  provider: string,
) => Promise<ModelConfiguration>

/** Configurations that are kept, so that calls with one key share its access token. */
const kept = 200

export interface OrganizationKeyDependencies {
  /** No caller may read a key, sealed or not. */
  readonly admin: Admin
  readonly keyset: Keyset
  readonly addresses: ProviderAddresses
}

/** Where the key of an organization and provider is kept; it opens nowhere else. */
export function placeOfKey(organizationId: number, provider: string): Place {
  const table = 'private.provider_keys'
  return { table, organizationId, row: provider, column: 'sealed_key' }
}

export function createOrganizationKeyReader({
  admin,
  keyset,
  addresses,
}: OrganizationKeyDependencies): ReadOrganizationKey {
  // By the sealed text: it is another one for every key that is stored.
  const configurations = new Map<string, ModelConfiguration>()
  return async (organizationId, provider) => {
    const args = { organization_id: organizationId, provider }
    const sealed = await admin.call('provider_credential', args)
    if (typeof sealed !== 'string') throw misconfigured('the key was removed')
    const known = configurations.get(sealed)
    if (known) return known
    const key = await openKey(keyset, placeOfKey(organizationId, provider), sealed)
    const configuration = withKey(provider, key, addresses)
    const [oldest] = configurations.keys()
    if (oldest !== undefined && configurations.size >= kept) configurations.delete(oldest)
    configurations.set(sealed, configuration)
    return configuration
  }
}

async function openKey(keyset: Keyset, place: Place, sealed: string): Promise<string> {
  try {
    return await open(keyset, place, sealed)
  } catch (error) {
    if (error instanceof OpenError) throw misconfigured(error.message)
    throw error
  }
}

function misconfigured(detail: string): ModelError {
  return new ModelError('provider_misconfigured', { detail })
}
