import { expect, test } from 'vitest'
import { toSendable } from '../../../../web/chat/sendable.ts'

const limit = 8 * 1024 * 1024
const file = (name: string, type = '', bytes = 1) =>
  new File([new Uint8Array(bytes)], name, { type })

test.each([
  ['notes.MD', '', 'text/markdown'],
  ['table.csv', 'application/vnd.ms-excel', 'text/csv'],
  ['cat.png', 'image/png', 'image/png'],
])('%s of type "%s" is sent as %s', (name, type, sent) => {
  const sendable = toSendable(file(name, type), 0)
  expect(sendable).toMatchObject({ name, type: sent, size: 1 })
})

test.each([
  ['of no known type', file('a.exe', 'image/png'), 0, /“a\.exe” is of a type/],
  ['named as a property of objects', file('a.constructor'), 0, /is of a type/],
  ['that is empty', file('a.txt', 'text/plain', 0), 0, /“a\.txt” is empty/],
  ['that is too large', file('a.txt', 'text/plain', limit + 1), 0, /at most 8 MB/],
  ['that is too large beside others', file('a.txt', 'text/plain', 2), limit - 1, /at most 8 MB/],
])('a file %s is refused with a sentence', (_, given, others, sentence) => {
  expect(toSendable(given, others)).toMatch(sentence)
})

test('files of 8 MB together are sent', () => {
  expect(toSendable(file('a.txt', 'text/plain', 2), limit - 2)).toBeInstanceOf(File)
})
