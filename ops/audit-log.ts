import { createHash } from 'node:crypto'

/** The result for a file: whether every event is unchanged, and where one is not. */
export type AuditVerdict =
  | {
      valid: true
      events: number
      organizationId: number
      /** Hash of the last event. Kept elsewhere, it shows later whether the tail was cut. */
      head: string
      /** Events after the recorded head; undefined without one. */
      eventsSinceHead: number | undefined
    }
  | { valid: false; line: number; problem: string }

interface Entry {
  payload: string
  previousHash: string
  hash: string
}

/** previous_hash of the first event. */
const GENESIS = '0'.repeat(64)

class Broken extends Error {}

/**
 * Verifies the lines of export_audit_log() with the file only. Each line names the hash of the line
 * before: hash = sha256(previous_hash bytes || payload). So every edit, deletion, insertion and
 * change of order shows, unless a person computed all later hashes again or cut the end. A head
 * that was recorded before reveals both.
 * @param chunks the file
 * @param recordedHead hash of an event that must be in the file, lower-case hexadecimal
 */
export async function verifyAuditLog(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  recordedHead?: string,
): Promise<AuditVerdict> {
  let line = 0
  let head = GENESIS
  let organizationId = NaN
  let headFoundAt: number | undefined
  try {
    for await (const bytes of splitLines(chunks)) {
      line++
      const entry = parseEntry(bytes)
      if (entry.previousHash !== head) throw new Broken(afterGap(line))
      if (hashOf(entry) !== entry.hash) throw new Broken('the payload is not the one hashed')
      const { sequence, organization_id } = parsePayload(entry.payload)
      if (sequence !== line) throw new Broken(`the sequence is not ${line}`)
      if (line === 1) organizationId = organization_id
      if (organization_id !== organizationId) throw new Broken('another organization')
      head = entry.hash
      if (head === recordedHead) headFoundAt = line
    }
  } catch (error) {
    if (error instanceof Broken) return { valid: false, line, problem: error.message }
    throw error
  }
  if (line === 0) return { valid: false, line: 1, problem: 'there is no event' }
  if (recordedHead !== undefined && headFoundAt === undefined) {
    const problem = 'the recorded head is not in the file: its tail was cut, or all was rewritten'
    return { valid: false, line: line + 1, problem }
  }
  const eventsSinceHead = headFoundAt === undefined ? undefined : line - headFoundAt
  return { valid: true, events: line, organizationId, head, eventsSinceHead }
}

function afterGap(line: number): string {
  return line === 1
    ? 'the first event is missing'
    : 'it does not follow the line before: an event was removed, added or moved'
}

function hashOf({ previousHash, payload }: Entry): string {
  return createHash('sha256')
    .update(Buffer.from(previousHash, 'hex'))
    .update(payload, 'utf8')
    .digest('hex')
}

function parseEntry(bytes: Uint8Array): Entry {
  const text = decode(bytes)
  const value = parseObject(text)
  const { hash, payload, previous_hash: previousHash } = value
  if (typeof hash !== 'string' || typeof payload !== 'string' || typeof previousHash !== 'string') {
    throw new Broken('hash, payload or previous_hash is missing')
  }
  const entry = { hash, payload, previousHash }
  // One spelling only, jsonb's: what no hash covers, a space or an escape, cannot change either.
  if (text !== spell(entry)) throw new Broken('not as export_audit_log() writes it')
  return entry
}

function spell({ hash, payload, previousHash }: Entry): string {
  const [h, p, q] = [hash, payload, previousHash].map((part) => JSON.stringify(part))
  return `{"hash": ${h ?? ''}, "payload": ${p ?? ''}, "previous_hash": ${q ?? ''}}`
}

function parsePayload(payload: string): { sequence: number; organization_id: number } {
  const { sequence, organization_id } = parseObject(payload)
  if (typeof sequence !== 'number' || typeof organization_id !== 'number') {
    throw new Broken('the payload names no sequence and organization')
  }
  return { sequence, organization_id }
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Broken('not JSON')
  }
  if (typeof value !== 'object' || value === null) throw new Broken('not a JSON object')
  return value as Record<string, unknown>
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new Broken('not UTF-8')
  }
}

/** Lines end with a line feed, which the last one may lack. */
async function* splitLines(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let rest = Buffer.alloc(0)
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk])
    let start = 0
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10, start)) {
      yield rest.subarray(start, end)
      start = end + 1
    }
    rest = rest.subarray(start)
  }
  if (rest.length > 0) yield rest
}
