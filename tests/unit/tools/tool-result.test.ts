import { describe, expect, it } from 'vitest'
import { readDefinition } from '../../../supabase/functions/_shared/tools/read-definition.ts'
import { readResult } from '../../../supabase/functions/_shared/tools/tool-result.ts'

const text = (value: string) => ({ type: 'text', text: value })

describe('an answer of a tool', () => {
  it('is kept as typed pieces, without the bytes', () => {
    const result = readResult({
      content: [
        text('Two files.'),
        { type: 'image', data: btoa('12345'), mimeType: 'image/png' },
        { type: 'resource_link', uri: 'file:///a', name: 'a', mimeType: 'text/plain' },
        { type: 'resource', resource: { uri: 'file:///b', text: 'the text of b' } },
        { type: 'resource', resource: { uri: 'file:///c', blob: btoa('1234') } },
        { type: 'no such type', data: 'x' },
      ],
    })
    expect(result).toEqual({
      content: [
        { type: 'text', text: 'Two files.' },
        { type: 'image', media_type: 'image/png', bytes: 5 },
        { type: 'resource', uri: 'file:///a', media_type: 'text/plain', name: 'a' },
        { type: 'resource', uri: 'file:///b', text: 'the text of b' },
        { type: 'resource', uri: 'file:///c', bytes: 4 },
      ],
      text: 'Two files.\n[image, image/png, 5 bytes]\n[resource file:///a, a]\nthe text of b\n[resource file:///c]',
      truncated: false,
    })
  })

  it('is cut where it is huge, and says so', () => {
    const result = readResult({ content: [text('a'.repeat(40_000)), text('b'.repeat(40_000))] })
    expect(result.truncated).toBe(true)
    expect(result.text.length).toBeLessThan(50_000)
    expect(result.text).toMatch(/bbb\n\[The answer was longer and has been cut\.\]$/)
    const pieces = readResult({ content: Array.from({ length: 100 }, () => text('x')) })
    expect(pieces).toMatchObject({ truncated: true })
    expect(pieces.content).toHaveLength(32)
  })

  it('keeps structured content, up to a limit', () => {
    expect(readResult({ content: [], structuredContent: { a: 1 } })).toMatchObject({
      structured_content: { a: 1 },
      text: '{"a":1}',
    })
    const huge = readResult({ content: [text('x')], structuredContent: 'y'.repeat(70_000) })
    expect(huge).toMatchObject({ truncated: true })
    expect(huge).not.toHaveProperty('structured_content')
  })

  it('can be stored whatever it says', () => {
    const result = readResult({
      content: [text('a\0b\ud800c')],
      structuredContent: { 'k\0': ['\udc00', { deep: '\0' }] },
    })
    expect(JSON.stringify(result)).not.toMatch(/\\u0000|\\ud800|\\udc00/)
    expect(result.text).toBe('a\ufffdb\ufffdc')
  })

  it('is nothing where the server sends nonsense', () => {
    expect(readResult({ content: 'x' })).toMatchObject({ text: '', content: [] })
    expect(readResult({ content: [null, 1, { type: 'text' }] })).toMatchObject({ content: [] })
  })
})

describe('a definition of a tool', () => {
  const tool = (more: object) => readDefinition({ name: 't', inputSchema: {}, ...more })
  const nested = (levels: number): object => (levels === 0 ? {} : { not: nested(levels - 1) })

  it('is kept without annotations and whatever else a server adds', () => {
    const given = { title: 'T', description: 'D', annotations: { readOnlyHint: true }, _meta: {} }
    expect(tool(given)).toEqual({ name: 't', title: 'T', description: 'D', input_schema: {} })
  })

  it('is refused beyond limits of size and depth', () => {
    expect(tool({ description: 'x'.repeat(40_000) })).toBeNull()
    // The database counts bytes, and would refuse the server's whole listing for one tool.
    expect(tool({ description: '語'.repeat(12_000) })).toBeNull()
    expect(tool({ description: '語'.repeat(10_000) })).not.toBeNull()
    expect(tool({ inputSchema: nested(20) })).not.toBeNull()
    expect(tool({ inputSchema: nested(40) })).toBeNull()
    expect(tool({ name: '' })).toBeNull()
    expect(tool({ name: 'x'.repeat(257) })).toBeNull()
    expect(tool({ inputSchema: 'x' })).toBeNull()
  })
})
