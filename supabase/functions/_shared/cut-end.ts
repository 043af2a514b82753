/**
 * A text without the characters at its end that are in `characters`. An expression such as `/a+$/`
 * would begin again at each `a` of a foreign text, in time that grows with the square of its length.
 */
export function cutEnd(text: string, characters: string): string {
  let end = text.length
  while (end > 0 && characters.includes(text.charAt(end - 1))) end -= 1
  return text.slice(0, end)
}
