import { notConfigured } from '../errors.ts'
import { fromAnyBase64 } from './base64.ts'

/** Keys that seal and open. */
export interface Keyset {
  /** The key that seals. */
  readonly primary: SealingKey
  /** Every key that opens, the primary included, by id. */
  readonly keys: ReadonlyMap<string, SealingKey>
}

export interface SealingKey {
  readonly id: string
  /** AES-256-GCM, not extractable. */
  readonly key: CryptoKey
}

const variable = 'TOKEN_ENCRYPTION_KEYS'
const keyBytes = 32
/** What a key id looks like; the checks of the sealed columns say the same. */
export const keyIdFormat = /^[A-Za-z0-9_-]{1,64}$/

/**
 * Reads a keyset: `<key id>:<32 bytes in base64>`, separated by commas; the first key seals, the
 * others only open. Messages say what is wrong with which key id, never a value.
 * @throws Error when it is missing, or a key is malformed, short, weak or given twice
 */
export async function readKeyset(text: string | undefined): Promise<Keyset> {
  if (text === undefined || text.trim() === '') {
    throw new Error(`${variable} is not set. Make a key: openssl rand -base64 32`)
  }
  const seen: Uint8Array[] = []
  const keys = new Map<string, SealingKey>()
  for (const [index, entry] of text.split(',').entries()) {
    const [id = '', ...rest] = entry.trim().split(':')
    if (!keyIdFormat.test(id) || rest.length !== 1) {
      throw new Error(`${variable}: entry ${index + 1} is not <key id>:<32 bytes in base64>`)
    }
    if (keys.has(id)) throw new Error(`${variable}: the key id ${id} is there twice`)
    const bytes = readKeyBytes(id, rest[0] ?? '')
    if (seen.some((other) => equal(other, bytes))) {
      throw new Error(`${variable}: the key ${id} is there under another id too`)
    }
    seen.push(bytes)
    const key = await crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, [
      'encrypt',
      'decrypt',
    ])
    keys.set(id, { id, key })
  }
  const [primary] = keys.values()
  if (!primary) throw new Error(`${variable} has no key`)
  return { primary, keys }
}

/**
 * The keyset. A missing or wrong one is reported, and each use of it is refused.
 * @param report gets what is wrong, without a value
 */
export async function openKeyset(
  text: string | undefined,
  report: (problem: string) => void,
): Promise<Keyset> {
  try {
    return await readKeyset(text)
  } catch (error) {
    const problem = error instanceof Error ? error.message : variable
    report(problem)
    const refuse = () => {
      throw notConfigured(problem)
    }
    return {
      get primary(): never {
        return refuse()
      },
      get keys(): never {
        return refuse()
      },
    }
  }
}

function readKeyBytes(id: string, base64: string): Uint8Array<ArrayBuffer> {
  const bytes = fromAnyBase64(base64)
  if (bytes === null) throw new Error(`${variable}: the key ${id} is not base64`)
  if (bytes.length !== keyBytes) {
    throw new Error(`${variable}: the key ${id} has ${bytes.length} bytes instead of ${keyBytes}`)
  }
  // An unchanged placeholder is no key.
  if (bytes.every((byte) => byte === bytes[0])) {
    throw new Error(`${variable}: the key ${id} is one byte repeated`)
  }
  return bytes
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, index) => byte === b[index])
}
