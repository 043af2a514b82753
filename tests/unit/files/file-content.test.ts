import { describe, expect, it } from 'vitest'
import { isContentOf } from '../../../supabase/functions/_shared/files/file-content.ts'
import { png, pngChunk, pngOf } from '../../support/agents/files.ts'

const latin = (text: string) => Buffer.from(text, 'latin1')
const riff = (kind: string, rest = 'x'.repeat(20)) => {
  const size = Buffer.alloc(4)
  size.writeUInt32LE(kind.length + rest.length)
  return Buffer.concat([latin('RIFF'), size, latin(kind + rest)])
}
const gif = latin('GIF89a\x01\x00\x01\x00\x80\x00\x00,\x00;')

const good: [string, Buffer][] = [
  ['image/png', png],
  ['image/png', pngOf(4_000, 3_000)],
  ['image/jpeg', latin('\xff\xd8\xff\xe0rest')],
  ['image/gif', gif],
  ['image/webp', riff('WEBP')],
  ['audio/wav', riff('WAVE')],
  ['audio/mpeg', latin('ID3\x04')],
  ['audio/mpeg', latin('\xff\xfb\x90\x00')],
  ['application/pdf', latin('%PDF-1.7\n…\n%%EOF\n')],
  ['application/json', Buffer.from('{"a":[1,"é"]}')],
  ['text/plain', Buffer.from('Grüße\n\t世界')],
  ['text/csv', Buffer.from('a,b\r\n1,2\r\n')],
  ['text/markdown', Buffer.from('# Title')],
]

describe('the content of a file', () => {
  it.each(good)('of the type %s is recognized', (type, bytes) => {
    expect(isContentOf(type, bytes)).toBe(true)
  })

  it('is never that of another type', () => {
    for (const [type, bytes] of good) {
      const family = type.split('/')[0] === 'text' || type === 'application/json'
      for (const [other] of good) {
        const isText = other.startsWith('text/') || other === 'application/json'
        if (other === type || (family && isText)) continue
        // The bytes of a PDF are also a text.
        if (type === 'application/pdf' && isText) continue
        expect([type, other, isContentOf(other, bytes)]).toEqual([type, other, false])
      }
    }
  })

  it.each([
    ['HTML in a PNG', 'image/png', latin('<html><script>alert(1)</script>')],
    ['an archive after a PNG', 'image/png', Buffer.concat([png, latin('PK\x03\x04')])],
    ['a PNG that is cut', 'image/png', png.subarray(0, -3)],
    ['a chunk that is longer than its PNG', 'image/png', pngOf(1, 1).fill(0xff, 33, 37)],
    ['a PNG of 10 billion pixels', 'image/png', pngOf(100_000, 100_000)],
    [
      'a PNG without a header',
      'image/png',
      Buffer.concat([png.subarray(0, 8), pngChunk('IEND', Buffer.alloc(0))]),
    ],
    ['a GIF that is a script', 'image/gif', latin('GIF89a=1;alert(1)//')],
    ['a GIF of 4 billion pixels', 'image/gif', latin('GIF89a\xff\xff\xff\xff\x80\x00\x00,\x00;')],
    ['more after a WebP', 'image/webp', Buffer.concat([riff('WEBP'), latin('<script>')])],
    ['a PDF without an end', 'application/pdf', latin('%PDF-1.7 and a script')],
    ['a program as a text', 'text/plain', latin('\x7fELF\x02\x01\x01\x00')],
    ['a text in Latin-1', 'text/plain', latin('Gr\xfc\xdfe')],
    ['half of a JSON text', 'application/json', Buffer.from('{"a":')],
    ['nothing', 'image/png', Buffer.alloc(0)],
    ['a type that no file has', 'image/svg+xml', Buffer.from('<svg/>')],
  ])('is refused: %s', (_, type, bytes) => {
    expect(isContentOf(type, bytes)).toBe(false)
  })
})
