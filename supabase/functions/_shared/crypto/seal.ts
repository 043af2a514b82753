import { fromBase64Url, toBase64Url } from './base64.ts'
import type { Keyset } from './keyset.ts'

/** The place of a sealed value. The value opens only for this place. */
export interface Place {
  /** Table with its schema, such as `public.mcp_oauth_tokens`. */
  readonly table: string
  readonly organizationId: number
  /** What names the row inside its organization and table. */
  readonly row: string
  readonly column: string
}

/** A sealed value that does not open: damaged, moved, or sealed with a key we do not have. */
export class OpenError extends Error {
  override readonly name = 'OpenError'
  constructor(reason: string, place: Place) {
    super(`${place.table}.${place.column}: ${reason}`)
  }
}

const version = 'v1'
const nonceBytes = 12

/**
 * Seals a secret for one place: `v1.<key id>.<nonce>.<ciphertext and tag>`, the last two in
 * base64url. AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce.
 */
export async function seal({ primary }: Keyset, place: Place, secret: string): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(nonceBytes))
  const ciphertext = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData: associatedData(place, primary.id) },
    primary.key,
    new TextEncoder().encode(secret),
  )
  return [version, primary.id, toBase64Url(iv), toBase64Url(new Uint8Array(ciphertext))].join('.')
}

/**
 * Opens a value that was sealed for this place.
 * @throws OpenError for every other text; it never says more than that
 */
export async function open(keyset: Keyset, place: Place, sealed: string): Promise<string> {
  const [head, keyId, nonce, body, ...rest] = sealed.split('.')
  const iv = fromBase64Url(nonce ?? '')
  const ciphertext = fromBase64Url(body ?? '')
  if (head !== version || iv?.length !== nonceBytes || ciphertext === null || rest.length > 0) {
    throw new OpenError('not a sealed value', place)
  }
  const key = keyset.keys.get(keyId ?? '')
  if (!key) throw new OpenError('sealed with a key that is not configured', place)
  try {
    const secret = await crypto.subtle.decrypt(
      { name: 'AES-GCM', iv, additionalData: associatedData(place, key.id) },
      key.key,
      ciphertext,
    )
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(secret)
  } catch {
    throw new OpenError('damaged, or sealed for another place', place)
  }
}

/** The id of the key that sealed a value; null when it is no sealed value. */
export function sealedWith(sealed: string): string | null {
  return /^v1\.([A-Za-z0-9_-]{1,64})\.[\w-]+\.[\w-]+$/.exec(sealed)?.[1] ?? null
}

// A JSON array of strings: no two lists of parts have the same text, whatever the parts contain.
function associatedData(place: Place, keyId: string): Uint8Array<ArrayBuffer> {
  const { table, organizationId, row, column } = place
  const parts = [version, table, String(organizationId), row, column, keyId]
  return new TextEncoder().encode(JSON.stringify(parts))
}
