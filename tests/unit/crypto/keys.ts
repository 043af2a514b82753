import { randomBytes } from 'node:crypto'

/** One entry of TOKEN_ENCRYPTION_KEYS with a new key. */
export function newKey(id: string): string {
  return `${id}:${randomBytes(32).toString('base64')}`
}
