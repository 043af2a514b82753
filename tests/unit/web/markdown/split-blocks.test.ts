import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { splitBlocks } from '../../../../web/markdown/split-blocks.ts'

describe('splitting Markdown into blocks', () => {
  test.each([
    ['at an empty line', 'One.\n\nTwo.', ['One.\n', 'Two.']],
    ['not within a fence', '```\na\n\nb\n```\n\nAfter.', ['```\na\n\nb\n```\n', 'After.']],
    [
      'not within a fence that a shorter one does not close',
      '````\n```\n\na\n````',
      ['````\n```\n\na\n````'],
    ],
    ['not within a fence that is still open', '```\na\n\nb', ['```\na\n\nb']],
    ['not between the items of a list', '- a\n\n- b\n\nAfter.', ['- a\n\n- b\n', 'After.']],
    ['not before what belongs to an item', '1. a\n\n   more\n\n2. b', ['1. a\n\n   more\n\n2. b']],
    [
      'not where a definition counts for all',
      'See [a].\n\n[a]: https://a.example',
      ['See [a].\n\n[a]: https://a.example'],
    ],
  ])('%s', (_, text, blocks) => {
    expect(splitBlocks(text)).toEqual(blocks)
  })

  test('loses nothing but empty lines', () => {
    const line = fc.constantFrom('', '```', '~~~~', '- a', '1. b', '  c', 'text', '| a |', '# h')
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const kept = (text: string) => text.split('\n').filter((one) => one.trim() !== '')
        expect(splitBlocks(lines.join('\n')).flatMap(kept)).toEqual(kept(lines.join('\n')))
      }),
    )
  })

  test('keeps the blocks before the last one while a text grows', () => {
    const text = '# A\n\nOne.\n\n```\nx\n\ny\n```\n\n- a\n\n- b\n\nEnd.'
    let before: string[] = []
    for (let end = 1; end <= text.length; end += 1) {
      const blocks = splitBlocks(text.slice(0, end))
      const settled = before.slice(0, -1).map((one) => one.trim())
      expect(blocks.slice(0, settled.length).map((one) => one.trim())).toEqual(settled)
      before = blocks
    }
  })
})
