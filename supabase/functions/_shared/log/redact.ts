const REDACTED = '[redacted]'
const MAX_DETAIL_LENGTH = 1000

/**
 * The patterns of credentials of any origin. Providers quote parts of a rejected key, so a
 * comparison with our own keys is not enough.
 */
const credentialPatterns = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  /\bBearer\s+[\w.~+/=*-]+/gi,
  // Without a dot too: to look for one takes quadratic time in a text of nothing but `eyJ-`.
  /\beyJ[\w.-]+/g,
  /\bya29\.[\w.-]+/g,
  /\bAIza[\w-]{10,}/g,
  /\bsk-[\w*.-]{4,}/g,
  /\bsb_(?:secret|publishable)_[\w-]+/g,
  /\bclq_[\w-]+/g,
  /([?&](?:key|api_key|access_token|token)=)[^&\s"']+/gi,
]

/**
 * Makes foreign text fit for a log: every given secret and everything that looks like a
 * credential replaced, then cut to 1,000 characters.
 *
 * @param truncated the text was already cut off, so a part of a secret may end it
 */
export function redact(text: string, secrets: readonly string[] = [], truncated = false): string {
  let result = text
  for (const secret of secrets) {
    if (secret.length < 4) continue
    result = result.replaceAll(secret, REDACTED)
    if (truncated) result = withoutPartAtEnd(result, secret)
  }
  for (const pattern of credentialPatterns) {
    result = result.replace(pattern, (match: string, prefix: unknown) =>
      typeof prefix === 'string' && match.startsWith(prefix) ? prefix + REDACTED : REDACTED,
    )
  }
  // Cut last: a cut before the replacement could leave the head of a secret.
  return result.length > MAX_DETAIL_LENGTH ? `${result.slice(0, MAX_DETAIL_LENGTH)}…` : result
}

/** Drops the head of a secret that a cut left at the end. */
function withoutPartAtEnd(text: string, secret: string): string {
  for (let length = secret.length - 1; length > 0; length -= 1) {
    if (text.endsWith(secret.slice(0, length))) return text.slice(0, -length) + REDACTED
  }
  return text
}

/** An error and its causes as one redacted line: `TypeError: fetch failed: Error: ECONNRESET`. */
export function errorLine(error: unknown, secrets: readonly string[] = []): string {
  const lines: string[] = []
  let current = error
  for (let depth = 0; depth < 4 && current !== undefined && current !== null; depth += 1) {
    if (!(current instanceof Error)) break
    lines.push(`${current.name}: ${current.message}`)
    current = current.cause
  }
  return redact(lines.length > 0 ? lines.join(': ') : 'not an Error', secrets)
}
