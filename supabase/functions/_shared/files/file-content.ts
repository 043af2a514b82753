const decoder = new TextDecoder('utf-8', { fatal: true })

/** A picture of more pixels fills the memory of what draws it, whatever its size in bytes. */
const maxPixels = 100_000_000

/** The first bytes of a type, as Latin-1; `.` stands for any byte. */
const signatures: Readonly<Record<string, RegExp>> = {
  'image/png': /^\x89PNG\r\n\x1a\n.{4}IHDR/s,
  'image/jpeg': /^\xff\xd8\xff/,
  'image/gif': /^GIF8[79]a/,
  'image/webp': /^RIFF.{4}WEBP/s,
  'audio/wav': /^RIFF.{4}WAVE/s,
  'audio/mpeg': /^(?:ID3|\xff[\xe2-\xfb])/,
  'application/pdf': /^%PDF-\d/,
}

/**
 * Whether bytes are a file of the media type: its signature, and where the format says so its end, so that
 * nothing else follows in the same file. A text is UTF-8 without control characters.
 */
export function isContentOf(mediaType: string, bytes: Uint8Array): boolean {
  if (mediaType === 'application/json') return isJson(bytes)
  if (mediaType.startsWith('text/')) return textOf(bytes) !== null
  const begins = signatures[mediaType]?.test(String.fromCharCode(...bytes.subarray(0, 32)))
  return begins === true && isWhole(mediaType, bytes)
}

/** The bytes as a text; null for bytes that are none. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    const text = decoder.decode(bytes)
    return /[\x00-\x08\x0b\x0e-\x1f\x7f]/.test(text) ? null : text
  } catch {
    return null // Not UTF-8.
  }
}

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(textOf(bytes) ?? '')
    return true
  } catch {
    return false
  }
}

function isWhole(mediaType: string, bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  switch (mediaType) {
    case 'image/png':
      return endOfPng(view) === bytes.length && hasFewPixels(view.getUint32(16), view.getUint32(20))
    case 'image/gif':
      return (
        bytes.length > 13 &&
        bytes.at(-1) === 0x3b &&
        hasFewPixels(view.getUint16(6, true), view.getUint16(8, true))
      )
    case 'image/webp':
    case 'audio/wav':
      // A chunk of odd length is padded; some writers leave the padding out of the length.
      return [8, 9].includes(bytes.length - view.getUint32(4, true))
    case 'application/pdf':
      return String.fromCharCode(...bytes.subarray(-1_024)).includes('%%EOF')
    default:
      return true
  }
}

function hasFewPixels(width: number, height: number): boolean {
  return width > 0 && height > 0 && width * height <= maxPixels
}

/** Where the last chunk of a PNG ends; -1 when a chunk is longer than the file. */
function endOfPng(view: DataView): number {
  let at = 8
  while (at + 12 <= view.byteLength) {
    const isLast = view.getUint32(at + 4) === 0x49454e44 /* IEND */
    at += 12 + view.getUint32(at)
    if (isLast) return at
  }
  return -1
}
