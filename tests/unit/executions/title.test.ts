import { describe, expect, it } from 'vitest'
import { titleOf } from '../../../supabase/functions/_shared/executions/title.ts'

const file = (filename?: string, url = 'data:application/pdf;base64,AA==') => ({
  type: 'file' as const,
  url,
  media_type: 'application/pdf',
  ...(filename && { filename }),
})
const words = (text: string) => ({ type: 'text' as const, text })
const graphemes = (text: string) => [...new Intl.Segmenter('en').segment(text)].length

describe('the title of a conversation', () => {
  it('is the first message in one line', () => {
    expect(titleOf('  What is\n\na\ttree? ')).toBe('What is a tree?')
    expect(titleOf([words('What '), file('a.pdf'), words('is it?')])).toBe('What is it?')
    expect(titleOf('a\u0000b\u0007c')).toBe('a\uFFFDb c')
  })

  it.each([
    ['a letter with its accent', 'e\u0301'],
    ['a family', '👩‍👩‍👧‍👦'],
    ['a flag', '🇪🇺'],
    ['a skin tone', '👍🏽'],
    ['a syllable of Hindi', 'क्षि'],
    ['one of two halves', '𝒳'],
  ])('ends with a whole grapheme: %s', (_, one) => {
    for (const before of ['', 'x', 'xy']) {
      const title = titleOf(before + one.repeat(200)) ?? ''
      expect(title.length).toBeGreaterThan(before.length)
      const rest = title.slice(before.length)
      expect(rest).toBe(one.repeat(rest.length / one.length))
      expect(graphemes(title)).toBeLessThanOrEqual(80)
      expect(Array.from(title).length).toBeLessThanOrEqual(480)
      expect(title.isWellFormed()).toBe(true)
    }
  })

  it('is the names of the files where the message has no words', () => {
    expect(titleOf([file('Rechnung Mai.pdf'), words('  ')])).toBe('Rechnung Mai.pdf')
    const photo = file(undefined, 'https://example.com/a/Foto%20Ω.png?size=2')
    expect(titleOf([photo, file('b.txt')])).toBe('Foto Ω.png, b.txt')
    expect(titleOf([file(undefined, 'https://example.com/100%.png')])).toBe('100%.png')
    expect(titleOf([words('[image/png, not stored]'), file()])).toBe('[image/png, not stored]')
    expect(
      titleOf([{ ...words('[image/png, not stored]'), not_stored: true }, file()]),
    ).toBeUndefined()
  })

  it('is none where there is nothing to call it by, or nothing that fits', () => {
    expect(titleOf([file()])).toBeUndefined()
    expect(titleOf(' \n ')).toBeUndefined()
    expect(titleOf(`a${'\u0301'.repeat(600)}`)).toBeUndefined()
  })
})
