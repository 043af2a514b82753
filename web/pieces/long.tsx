/** A long text in a cell, which scrolls in its place. */
export function Long({ text }: { readonly text: string | null }) {
  if (text === null || text === '') return '–'
  return (
    <p className="long" dir="auto" tabIndex={0}>
      {text}
    </p>
  )
}
