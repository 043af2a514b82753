import { describe, expect, it } from 'vitest'
import { readDefinition } from '../../../supabase/functions/_shared/tools/read-definition.ts'
import { modelTool } from '../../../supabase/functions/_shared/tools/toolbox.ts'
import { readResult } from '../../../supabase/functions/_shared/tools/tool-result.ts'

const text = (value: string) => ({ type: 'text', text: value })

describe('an answer of a tool', () => {
  it('is kept as typed pieces', () => {
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
        { type: 'image', media_type: 'image/png', bytes: 5, data: btoa('12345') },
        { type: 'resource', uri: 'file:///a', media_type: 'text/plain', name: 'a' },
        { type: 'resource', uri: 'file:///b', text: 'the text of b' },
        { type: 'resource', uri: 'file:///c', bytes: 4, data: btoa('1234') },
        { type: 'text', text: '[content of type nosuchtype, which cannot be shown]' },
      ],
      text: 'Two files.\n[image, image/png, 5 bytes]\n[resource file:///a, a]\nthe text of b\n[resource file:///c]\n[content of type nosuchtype, which cannot be shown]',
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

  it.each([
    ['one piece instead of a list', { content: text('a') }],
    ['a text instead of a list', { content: 'a' }],
    ['a text instead of an answer', 'a'],
    ['a piece without a type', { content: [{ text: 'a' }] }],
    ['structured content that is null', { content: [text('a')], structuredContent: null }],
    ['the field of 2024-10-07', { toolResult: 'a' }],
  ])('may be %s', (_what, answer) => {
    expect(readResult(answer)).toEqual({
      text: 'a',
      content: [text('a')],
      truncated: false,
    })
  })

  it.each([[null], [7], [{ type: 'text' }], [{ type: 'hologram' }], [{ type: 'image' }], [{}]])(
    'keeps the text beside a piece that cannot be read: %j',
    (piece) => {
      const { text: said } = readResult({ content: [text('before'), piece, text('after')] })
      expect(said).toMatch(/^before\n\[content of type \w+, which cannot be shown\]\nafter$/)
    },
  )

  it('is nothing where the server says nothing', () => {
    for (const answer of [{}, { content: null }, undefined, { content: [] }]) {
      expect(readResult(answer)).toEqual({ text: '', content: [], truncated: false })
    }
  })
})

describe('a definition of a tool', () => {
  const tool = (more: object) => {
    const { definition } = readDefinition({ name: 't', inputSchema: {}, ...more }, 0)
    return definition ?? null
  }
  const nested = (levels: number): object => (levels === 0 ? {} : { not: nested(levels - 1) })

  it('is kept without annotations and whatever else a server adds', () => {
    const given = { title: 'T', description: 'D', annotations: { readOnlyHint: true }, _meta: {} }
    expect(tool(given)).toEqual({ name: 't', title: 'T', description: 'D', input_schema: {} })
  })

  it('is refused beyond limits of size and depth', () => {
    const large = { enum: ['語'.repeat(12_000)] }
    // The database counts bytes, and would refuse the server's whole listing for one tool.
    expect(tool({ inputSchema: { properties: { large } } })).toBeNull()
    expect(tool({ inputSchema: { enum: ['語'.repeat(10_000)] } })).not.toBeNull()
    expect(tool({ inputSchema: nested(20) })).not.toBeNull()
    expect(tool({ inputSchema: nested(40) })).toBeNull()
    expect(tool({ name: '' })).toBeNull()
    expect(tool({ name: 'x'.repeat(257) })).toBeNull()
    expect(tool({ inputSchema: 'x' })).toBeNull()
    expect(tool({ inputSchema: { type: 'string' } })).toBeNull()
  })

  it('keeps what a call needs of a tool that is too large as a whole', () => {
    const large = { description: 'x'.repeat(40_000), outputSchema: { title: 'y'.repeat(40_000) } }
    expect(tool({ ...large, inputSchema: { type: 'object' } })).toEqual({
      name: 't',
      description: 'x'.repeat(4_096),
      input_schema: { type: 'object' },
    })
  })

  it.each([[undefined], [null], [true], [[]], [{}], [{ type: null, properties: null }]])(
    'takes %j for the schema of an object without named fields',
    (inputSchema) => {
      const [given] = [tool({ inputSchema })]
      expect(modelTool('n', given ?? expect.fail('refused')).parameters).toEqual({
        type: 'object',
        properties: {},
      })
    },
  )

  it('has no null where the schema means nothing by it', () => {
    const inputSchema = {
      type: 'object',
      required: null,
      properties: {
        a: { type: 'string', description: null, default: null, enum: ['x', null] },
        null: { type: 'array', items: { title: null } },
        b: null,
      },
      anyOf: [{ title: null, properties: [] }],
    }
    expect(tool({ title: null, description: null, outputSchema: null, inputSchema })).toEqual({
      name: 't',
      input_schema: {
        type: 'object',
        properties: {
          a: { type: 'string', default: null, enum: ['x', null] },
          null: { type: 'array', items: {} },
        },
        anyOf: [{ properties: {} }],
      },
    })
  })
})
