/**
 * Cuts a snippet of `search()` into pieces, each with whether it is a word that was found.
 * @param highlights `[start, length]` of each word, in characters, not in units of UTF-16
 */
export function marked(snippet: string, highlights: unknown): (readonly [string, boolean])[] {
  const characters = [...snippet]
  const pieces: (readonly [string, boolean])[] = []
  let end = 0
  const cut = (from: number, to: number, isMarked: boolean) => {
    if (to > from) pieces.push([characters.slice(from, to).join(''), isMarked])
  }
  for (const [start, length] of Array.isArray(highlights)
    ? (highlights as [number, number][])
    : []) {
    if (start < end) continue
    cut(end, start, false)
    cut(start, start + length, true)
    end = start + length
  }
  cut(end, characters.length, false)
  return pieces
}
