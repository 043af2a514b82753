/** The file is none that export_audit_log() or its answer through REST makes. */
export class UnknownShape extends Error {}

type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/** Of the first line of a file of lines; an edit of one of them leaves the others. */
const fields = ['"hash"', '"payload"', '"previous_hash"']

/**
 * The lines of a saved export as bytes: a file of lines as it is, and the saved answer of
 * `rpc/export_audit_log`, a JSON array of these lines, one per line.
 * @throws UnknownShape for a file of another shape
 */
export async function* readAuditFile(chunks: Chunks): AsyncGenerator<Uint8Array> {
  let begun = Buffer.alloc(0)
  let shape: 'array' | 'lines' | undefined
  for await (const chunk of chunks) {
    if (shape === 'lines') {
      yield chunk
      continue
    }
    begun = Buffer.concat([begun, chunk])
    shape ??= shapeOf(begun)
    if (shape === 'lines') yield begun
  }
  if (shape === 'array') yield Buffer.from(toLines(begun.toString('utf8')))
  else if (shape === undefined && begun.length > 0) {
    if (!isFirstLine(begun.toString('latin1')))
      throw new UnknownShape('the file is no export of an audit log')
    yield begun
  }
}

/** Undefined until the first line is there. */
function shapeOf(begun: Buffer): 'array' | 'lines' | undefined {
  const text = begun.toString('latin1').trimStart()
  if (text.startsWith('[')) return 'array'
  const end = text.indexOf('\n')
  if (end === -1) return undefined
  if (isFirstLine(text.slice(0, end))) return 'lines'
  throw new UnknownShape('the file is no export of an audit log')
}

function isFirstLine(line: string): boolean {
  return fields.some((field) => line.includes(field))
}

function toLines(text: string): string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new UnknownShape('the array is no JSON: was the whole answer saved?')
  }
  const lines = Array.isArray(value) ? (value as unknown[]) : []
  if (!lines.every((line) => typeof line === 'string')) {
    throw new UnknownShape('the array has something else than the lines of an export')
  }
  return lines.map((line) => `${line}\n`).join('')
}
