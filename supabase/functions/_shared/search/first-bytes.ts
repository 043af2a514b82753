const encoder = new TextEncoder()

/** The beginning of a text that has at most so many bytes of UTF-8, in whole characters. */
export function firstBytes(text: string, bytes: number): string {
  const { read } = encoder.encodeInto(text, new Uint8Array(bytes))
  return text.slice(0, read)
}
