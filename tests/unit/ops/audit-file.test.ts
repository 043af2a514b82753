import { describe, expect, it } from 'vitest'
import { readAuditFile, UnknownShape } from '../../../ops/audit-file.ts'

const line = (payload: string) => `{"hash": "00", "payload": "${payload}", "previous_hash": "00"}`
const lines = [line('one'), line('zwei Ω')]
const asLines = lines.map((one) => `${one}\n`).join('')

async function read(text: string, size = text.length): Promise<string> {
  const bytes = Buffer.from(text)
  const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
    bytes.subarray(n * size, (n + 1) * size),
  )
  const parts: Uint8Array[] = []
  for await (const part of readAuditFile(chunks)) parts.push(part)
  return Buffer.concat(parts).toString()
}

describe('a saved export of the audit log', () => {
  it.each([
    ['lines', asLines],
    ['an answer through REST', JSON.stringify(lines)],
    ['an answer that was saved with indents', `\n${JSON.stringify(lines, null, 2)}\n`],
  ])('is read as its lines from %s, in chunks of any size', async (_, text) => {
    for (const size of [1, 2, 7, 1_000]) expect(await read(text, size)).toBe(asLines)
  })

  it('is passed on as it is where it was edited, for the verification to see', async () => {
    expect(await read(asLines.slice(0, -1))).toBe(asLines.slice(0, -1))
    expect(await read(asLines.replace('"hash"', '"hush"'))).toContain('"hush"')
    expect(await read('')).toBe('')
    expect(await read('[]')).toBe('')
  })

  it.each([
    ['a table of values', 'hash,payload\n1,2\n'],
    ['an error of REST', '{"code": "42501", "message": "permission_denied"}'],
    ['a text', '"hello"'],
    ['rows that were read already', JSON.stringify(lines.map((one) => JSON.parse(one) as object))],
    ['half of an answer', JSON.stringify(lines).slice(0, -5)],
  ])('is none from %s', async (_, text) => {
    for (const size of [1, 1_000]) await expect(read(text, size)).rejects.toThrow(UnknownShape)
  })
})
