/** What a row of the audit log says of its place in the chain. */
export interface Link {
  readonly sequence: number
  readonly payload: string
  readonly previous_hash: string
  readonly hash: string
}

export type Verdict =
  | { readonly isValid: true; readonly events: number; readonly head: string }
  | { readonly isValid: false; readonly sequence: number }

/** previous_hash of the first event. */
const genesis = '0'.repeat(64)

/**
 * Computes the chain again in the browser: hash = sha256(previous_hash bytes || payload).
 * @param read gives the events after a sequence, in order; none after the last one
 */
export async function verifyChain(
  read: (after: number) => Promise<readonly Link[]>,
): Promise<Verdict> {
  let sequence = 0
  let head = genesis
  for (;;) {
    const links = await read(sequence)
    if (links.length === 0) return { isValid: true, events: sequence, head }
    for (const link of links) {
      sequence += 1
      const [before, hash] = [hexOf(link.previous_hash), hexOf(link.hash)]
      const isNext = link.sequence === sequence && before === head
      if (!isNext || (await hashOf(before, link.payload)) !== hash) {
        return { isValid: false, sequence }
      }
      head = hash
    }
  }
}

/** Bytes as REST writes them, without the mark. */
function hexOf(bytes: string): string {
  return bytes.replace(/^\\x/, '')
}

async function hashOf(previous: string, payload: string): Promise<string> {
  const before = Uint8Array.from(previous.match(/../g) ?? [], (pair) => parseInt(pair, 16))
  const text = new TextEncoder().encode(payload)
  const bytes = new Uint8Array(before.length + text.length)
  bytes.set(before)
  bytes.set(text, before.length)
  const digest = await crypto.subtle.digest('SHA-256', bytes)
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
