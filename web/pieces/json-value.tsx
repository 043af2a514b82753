/** A value as the backend stores it. Marks that no reader sees are written out. */
export function JsonValue({ title, value }: { readonly title: string; readonly value: unknown }) {
  if (value === null || value === undefined) return null
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2)
  return (
    <>
      <p className="label">{title}</p>
      <pre className="value" tabIndex={0}>
        {visible(text)}
      </pre>
    </>
  )
}

/** Marks that a reader does not see can turn the order of the others: a person decides on what is there. */
export const visible = (text: string) =>
  text.replace(/\p{Cf}/gu, (mark) => `\\u{${mark.codePointAt(0)?.toString(16)}}`)
