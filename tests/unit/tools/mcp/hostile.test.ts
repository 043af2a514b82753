import { expect, it } from 'vitest'
import { listTools } from '../../../../supabase/functions/_shared/tools/mcp/list-tools.ts'
import {
  RawResults,
  repairMessages,
} from '../../../../supabase/functions/_shared/tools/mcp/repair-message.ts'
import {
  maxDefinitionBytes,
  maxResultParts,
  maxResultText,
  maxStructuredLength,
  maxTools,
} from '../../../../supabase/functions/_shared/tools/tool-limits.ts'
import { readResult } from '../../../../supabase/functions/_shared/tools/tool-result.ts'
import { modelTool } from '../../../../supabase/functions/_shared/tools/toolbox.ts'
import { hostileJson, seeded } from '../../../support/hostile-json.ts'

const rounds = 10_000
const schema = [
  'type',
  'properties',
  'items',
  'anyOf',
  'x-mcp-header',
  'required',
  'object',
  '$defs',
]
const listing = [
  'name',
  'description',
  'inputSchema',
  'outputSchema',
  'tools',
  'nextCursor',
  ...schema,
]
const result = ['content', 'type', 'text', 'data', 'mimeType', 'image', 'resource', 'uri', 'blob']
const envelope = ['id', 'method', 'result', 'error', 'params', 'tools/list', 'tools/call', 'code']
const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value)).length
const unstorable = /\\u0000|\\ud800/

it(
  '10,000 hostile listings are read without a throw, within every limit',
  { timeout: 120_000 },
  async () => {
    const random = seeded(1)
    let used = 0
    for (let round = 0; round < rounds; round += 1) {
      const page = async () => {
        const tools = Array.from({ length: round % 500 === 0 ? 200 : 3 }, () => ({
          name: random() < 0.3 ? hostileJson(random, listing, 1) : `tool ${random()}`,
          inputSchema: hostileJson(random, schema),
          ...(hostileJson(random, listing, 2) as object | null),
        }))
        return random() < 0.2
          ? hostileJson(random, listing)
          : { tools, nextCursor: random() < 0.5 ? hostileJson(random, ['next'], 1) : 'next' }
      }
      const { tools, refused, ttl } = await listTools({ page, isModern: random() < 0.5 })
      used += tools.length
      expect(tools.length).toBeLessThanOrEqual(maxTools)
      expect(refused.length).toBeLessThanOrEqual(maxTools)
      expect(ttl >= 0 && ttl <= 3_600).toBe(true)
      expect(JSON.stringify(refused)).not.toMatch(unstorable)
      for (const tool of tools) {
        const size = bytes(tool)
        if (size > maxDefinitionBytes) expect.fail(`${size} bytes`)
        if (unstorable.test(JSON.stringify(tool))) expect.fail('not storable')
        if (modelTool('n', tool).parameters['type'] !== 'object') expect.fail('no object')
      }
    }
    expect(used).toBeGreaterThan(rounds)
  },
)

it(
  '10,000 hostile results are read without a throw, within every limit',
  { timeout: 120_000 },
  () => {
    const random = seeded(2)
    let said = 0
    for (let round = 0; round < rounds; round += 1) {
      const given = hostileJson(random, result)
      const answer =
        random() < 0.5
          ? given
          : { content: [{ type: 'text', text: 'a' }, given], structuredContent: given }
      const read = readResult(answer)
      said += read.text === '' ? 0 : 1
      expect(read.text.length).toBeLessThanOrEqual(maxResultText + maxResultParts * 2_500)
      expect(read.content.length).toBeLessThanOrEqual(maxResultParts)
      const { structured_content: structured } = read
      if (structured !== undefined) {
        expect(JSON.stringify(structured).length).toBeLessThanOrEqual(maxStructuredLength)
      }
      if (unstorable.test(JSON.stringify(read))) expect.fail('not storable')
      if (answer !== given) expect(read.text.startsWith('a')).toBe(true)
    }
    expect(said).toBeGreaterThan(rounds / 2)
  },
)

it(
  '10,000 hostile messages become messages of the protocol, or none, and answer once',
  { timeout: 120_000 },
  () => {
    const random = seeded(3)
    let answered = 0
    for (let round = 0; round < rounds; round += 1) {
      const raws = new RawResults()
      let waits = true
      const message = { id: 1, ...(hostileJson(random, envelope) as object | null) }
      const method = ['initialize', 'server/discover', 'tools/list', 'tools/call', 'ping'][
        round % 5
      ]
      const repaired = repairMessages(
        random() < 0.2 ? [message, hostileJson(random, envelope), message] : message,
        () => {
          if (!waits) return undefined
          waits = false
          return { id: 1, method: method ?? '' }
        },
        raws,
      )
      for (const one of repaired) {
        expect(one.jsonrpc).toBe('2.0')
        if ('method' in one) expect(typeof one['method']).toBe('string')
        else expect(one['id']).toBe(1)
      }
      answered += waits ? 0 : 1
      expect(
        repaired.filter((one) => 'result' in one || 'error' in one).length,
      ).toBeLessThanOrEqual(1)
    }
    expect(answered).toBeGreaterThan(rounds / 20)
  },
)
