import { ByteReader } from './byte-reader.ts'

/**
 * Reads a body as UTF-8 text up to a number of bytes, whatever length it announces.
 *
 * @returns the text and whether the body was longer (the rest is cancelled, unread)
 */
export async function readText(
  response: Response,
  maxBytes: number,
): Promise<{ text: string; truncated: boolean }> {
  if (response.body === null) return { text: '', truncated: false }
  const reader = new ByteReader(response.body)
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for (;;) {
    const value = await reader.read()
    if (value === null) return { text: text + decoder.decode(), truncated: false }
    const room = maxBytes - size
    size += value.length
    text += decoder.decode(value.length > room ? value.subarray(0, room) : value, { stream: true })
    if (size > maxBytes) {
      await reader.cancel()
      return { text, truncated: true }
    }
  }
}
