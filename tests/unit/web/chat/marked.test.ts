import { expect, test } from 'vitest'
import { marked } from '../../../../web/chat/marked.ts'

test('the words that were found are pieces of their own', () => {
  const pieces = marked('a refund of 😀 refunds', [
    [2, 6],
    [14, 7],
  ])
  expect(pieces).toEqual([
    ['a ', false],
    ['refund', true],
    [' of 😀 ', false],
    ['refunds', true],
  ])
})

test('a snippet without a word, and places that overlap, lose no character', () => {
  expect(marked('<b>x</b>', [])).toEqual([['<b>x</b>', false]])
  expect(marked('<b>x</b>', null)).toEqual([['<b>x</b>', false]])
  const pieces = marked('abcdef', [
    [0, 3],
    [1, 3],
    [4, 9],
  ])
  expect(pieces.map(([text]) => text).join('')).toBe('abcdef')
})
