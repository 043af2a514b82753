// PostgreSQL stores neither U+0000 nor half of a surrogate pair.
const suspicious = /\\u(?:0000|d[89a-f])/i

/** A text as PostgreSQL can store it. */
export function toStorableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD')
}

/** A JSON value as PostgreSQL can store it, names included. */
export function toStorableJson<Value>(value: Value): Value {
  const text = JSON.stringify(value)
  return text !== undefined && suspicious.test(text) ? (storableOf(text) as Value) : value
}

/** The JSON text of a value, as PostgreSQL can store it and read it as text. */
export function stringifyStorable(value: object): string {
  const text = JSON.stringify(value)
  return suspicious.test(text) ? JSON.stringify(storableOf(text)) : text
}

function storableOf(json: string): unknown {
  return JSON.parse(json, (_key, item: unknown) => {
    if (typeof item === 'string') return toStorableText(item)
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item
    return Object.fromEntries(
      Object.entries(item).map(([key, each]) => [toStorableText(key), each]),
    )
  }) as unknown
}
