const fence = /^ {0,3}(`{3,}|~{3,})/
const item = /^ {0,3}(?:[-+*]|\d{1,9}[.)])(?:\s|$)/
/** A definition of a link or a footnote counts in the whole text. */
const definition = /^ {0,3}\[[^\]\n]+\]:/m

/**
 * Splits Markdown where a block surely ends, so that the blocks before the last one stay as they are
 * while a text grows: at an empty line outside of a fence, before a line that continues no list.
 */
export function splitBlocks(text: string): string[] {
  if (definition.test(text)) return [text]
  const blocks: string[] = []
  let block: string[] = []
  let open: string | null = null
  let isAfterEmpty = false
  for (const line of text.split('\n')) {
    const [, mark = ''] = fence.exec(line) ?? []
    if (open === null && isAfterEmpty && !continues(block[0] ?? '', line)) {
      blocks.push(block.join('\n'))
      block = []
    }
    block.push(line)
    if (open === null) open = mark === '' ? null : mark
    else if (mark.startsWith(open) && line.trim() === mark) open = null
    isAfterEmpty = open === null && line.trim() === ''
  }
  return [...blocks, block.join('\n')].filter((one) => one.trim() !== '')
}

/** Whether a line after an empty one belongs to the block that begins with `first`. */
function continues(first: string, line: string): boolean {
  if (line.trim() === '') return true
  return /^(?: {2}|\t)/.test(line) || (item.test(first) && item.test(line))
}
