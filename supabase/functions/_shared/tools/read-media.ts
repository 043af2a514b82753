/** An image, a sound or a file as a server sends it. */
export interface Media {
  /** Lower-case, without parameters; undefined: nothing says it. */
  readonly media_type: string | undefined
  /** In base64, as far as it is that. */
  readonly data: string
}

const longestType = 255
/** How files of these kinds begin, in base64. */
const beginnings: readonly (readonly [string, string])[] = [
  ['iVBORw0KGgo', 'image/png'],
  ['/9j/', 'image/jpeg'],
  ['R0lGOD', 'image/gif'],
  ['UklGR', 'image/webp'],
  ['JVBERi0', 'application/pdf'],
]

/**
 * Reads the data of a piece: also a data URL, the alphabet for URLs (RFC 4648, section 5), and a type with
 * parameters or of an older name. Where no type is given the data says it.
 */
export function readMedia(type: unknown, text: string): Media {
  const [prefix = '', typeOfUrl = ''] = /^data:([^;,]{0,255})[^,]{0,255};base64,/i.exec(text) ?? []
  const data = text.slice(prefix.length).replace(/-/g, '+').replace(/_/g, '/')
  const given = typeof type === 'string' && type.trim() !== '' ? type : typeOfUrl
  const [name = ''] = given.slice(0, longestType).toLowerCase().split(';')
  const named = name.trim() === 'image/jpg' ? 'image/jpeg' : name.trim()
  const found = beginnings.find(([beginning]) => data.startsWith(beginning))?.[1]
  return { media_type: named === '' ? found : named, data }
}
