import type { Keyset } from '../crypto/keyset.ts'
import { open, OpenError, type Place } from '../crypto/seal.ts'
import { AppError } from '../errors.ts'
import { type ConnectionKey, headerKeyPlace } from './secret-places.ts'
import type { Target } from './rows.ts'

/**
 * Opens a sealed credential.
 * @throws AppError `credential_unreadable`
 */
export async function openCredential(
  keyset: Keyset,
  place: Place,
  sealed: string,
): Promise<string> {
  try {
    return await open(keyset, place, sealed)
  } catch (error) {
    if (!(error instanceof OpenError)) throw error
    throw new AppError('credential_unreadable', { cause: error.message })
  }
}

/**
 * The headers with keys of a person's requests to a server.
 * @throws AppError `credential_unreadable`
 */
export async function openHeaderKeys(
  keyset: Keyset,
  { organizationId, userId, configurationId }: ConnectionKey,
  sealed: Target['headers'],
): Promise<Record<string, string>> {
  const entries = sealed.map(async ({ name, is_organizations, sealed_value }) => {
    const holder = is_organizations ? null : userId
    const place = headerKeyPlace(organizationId, configurationId, holder, name)
    return [name, await openCredential(keyset, place, sealed_value)] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}
