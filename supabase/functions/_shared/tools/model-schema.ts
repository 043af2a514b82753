import { isRecord } from '../json.ts'

type Fields = Readonly<Record<string, unknown>>

const mostReferences = 8
/** Keywords that stand at no top of a schema for every provider. */
const notAtTop = new Set([
  ...['allOf', 'anyOf', 'oneOf', 'not', 'enum', 'const', 'if', 'then', 'else', '$ref'],
  ...['properties', 'required', 'type'],
])

/**
 * The schema of a tool's arguments as every provider takes it: an object with fields. OpenAI and Anthropic
 * refuse a request with alternatives at the top of a schema. So the fields of the alternatives stand
 * beside one another here, and the check before a call holds the rest of the schema.
 */
export function modelSchema(schema: Fields): Record<string, unknown> {
  const root = follow(schema, schema)
  const parts = (keyword: string) => listOf(root[keyword]).map((part) => follow(part, schema))
  const always = [...parts('allOf'), root]
  const fields = [...parts('anyOf'), ...parts('oneOf'), ...always].map((part) => part['properties'])
  const required = new Set(always.flatMap((part) => listOf(part['required'])))
  const others = Object.entries(root).filter(([keyword]) => !notAtTop.has(keyword))
  return {
    type: 'object',
    properties: Object.fromEntries(fields.filter(isRecord).flatMap(Object.entries)),
    ...(required.size > 0 && { required: [...required] }),
    ...Object.fromEntries(others),
  }
}

/** The schema that a chain of references within the whole leads to; itself where it leads nowhere. */
function follow(schema: unknown, whole: Fields): Fields {
  let found = isRecord(schema) ? schema : {}
  for (let hops = 0; hops < mostReferences; hops += 1) {
    const { $ref: reference, ...beside } = found
    const target = typeof reference === 'string' ? targetOf(reference, whole) : null
    if (target === null) break
    found = { ...target, ...beside }
  }
  return found
}

/** RFC 6901, section 6. */
function targetOf(reference: string, whole: Fields): Fields | null {
  if (!reference.startsWith('#/')) return null
  let found: unknown = whole
  for (const step of reference.slice(2).split('/')) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~')
    if (!isRecord(found) || !Object.hasOwn(found, name)) return null
    found = found[name]
  }
  return isRecord(found) && found !== whole ? found : null
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
