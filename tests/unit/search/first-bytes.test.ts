import { expect, test } from 'vitest'
import { firstBytes } from '../../../supabase/functions/_shared/search/first-bytes.ts'

test('a text is cut to so many bytes between two characters', () => {
  expect(firstBytes('abc', 3)).toBe('abc')
  expect(firstBytes('abc', 2)).toBe('ab')
  for (const text of ['é', '東京', '🙂🙂', 'a🙂é東']) {
    for (let bytes = 0; bytes <= 12; bytes += 1) {
      const cut = firstBytes(text, bytes)
      expect(text.startsWith(cut)).toBe(true)
      expect(cut.isWellFormed()).toBe(true)
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(bytes)
      const next = [...text].slice(0, [...cut].length + 1).join('')
      expect(cut === text || Buffer.byteLength(next) > bytes).toBe(true)
    }
  }
})
