/** A provider that asks for more is treated as asking for this: a wait must stay bounded. */
export const MAX_RETRY_AFTER_MS = 3_600_000

const seconds = /^[+-]?\d+(?:\.\d+)?$/
const httpDate = /^[A-Z][a-z]{2,8},? .*\d{2}:\d{2}:\d{2}/

/**
 * Milliseconds a provider asks to wait, 0 to MAX_RETRY_AFTER_MS, or null when it does not say.
 *
 * Reads `Retry-After` (RFC 9110 §10.2.3: seconds or an HTTP date; a negative number or a past
 * date means at once) and the `retry-after-ms` that OpenAI-compatible services send.
 *
 * @param now milliseconds since the epoch, to which a date is compared
 */
export function parseRetryAfter(headers: Headers, now: number): number | null {
  const milliseconds = headers.get('retry-after-ms')?.trim() ?? ''
  if (seconds.test(milliseconds)) return clampRetryAfter(Number(milliseconds))
  const value = headers.get('retry-after')?.trim() ?? ''
  if (seconds.test(value)) return clampRetryAfter(Number(value) * 1000)
  if (httpDate.test(value)) return clampRetryAfter(Date.parse(value) - now)
  return null
}

/** A protobuf duration in JSON (`"12.5s"`), as google.rpc.RetryInfo carries it. */
export function parseRetryDelay(value: unknown): number | null {
  if (typeof value !== 'string' || !value.endsWith('s')) return null
  const number = value.slice(0, -1)
  return seconds.test(number) ? clampRetryAfter(Number(number) * 1000) : null
}

function clampRetryAfter(milliseconds: number): number | null {
  if (Number.isNaN(milliseconds)) return null
  return Math.ceil(Math.min(Math.max(milliseconds, 0), MAX_RETRY_AFTER_MS))
}
