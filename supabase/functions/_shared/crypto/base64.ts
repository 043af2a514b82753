/** Bytes as base64 with padding (RFC 4648, section 4). */
export function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}

/** Bytes as base64url without padding (RFC 4648, section 5). */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes)
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/={1,2}$/, '')
}

/**
 * Reads base64url without padding. Accepts only the spelling of `toBase64Url`: the unused bits of
 * the last character would otherwise let a changed text mean the same bytes.
 * @returns null for anything else
 */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[\w-]*$/.test(text) || text.length % 4 === 1) return null
  const bytes = decode(text.replaceAll('-', '+').replaceAll('_', '/'))
  return toBase64Url(bytes) === text ? bytes : null
}

/** Reads base64 or base64url, padded or not, as people paste it. @returns null when it is neither */
export function fromAnyBase64(text: string): Uint8Array<ArrayBuffer> | null {
  return fromBase64Url(
    text
      .replaceAll('+', '-')
      .replaceAll('/', '_')
      .replace(/={0,2}$/, ''),
  )
}

function decode(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
}
