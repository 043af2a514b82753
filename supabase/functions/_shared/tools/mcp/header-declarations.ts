import { isRecord } from '../../json.ts'

const token = /^[!#$%&'*+.^_`|~\da-z-]+$/i
const primitive = new Set(['string', 'integer', 'boolean'])

/**
 * Why a tool of a modern server may not be used (2026-07-28, "Custom headers from tool parameters"): a
 * declaration of a header at a place or of a kind that the specification does not allow. null: none.
 */
export function badHeaderDeclaration(schema: Readonly<Record<string, unknown>>): string | null {
  const names = new Set<string>()
  const visit = (node: unknown, depth: number, reachable: boolean): string | null => {
    if (Array.isArray(node)) return first(node, (item) => visit(item, depth + 1, false))
    if (!isRecord(node)) return null
    const { 'x-mcp-header': header, properties, type, ...others } = node
    if (header !== undefined) {
      const problem = judge(header, type, reachable && depth > 0)
      if (problem !== null) return problem
      const name = typeof header === 'string' ? header.toLowerCase() : ''
      if (names.has(name)) return 'declares a header twice'
      names.add(name)
    }
    const named = isRecord(properties) ? Object.values(properties) : []
    return (
      first(named, (child) => visit(child, depth + 1, reachable)) ??
      first(Object.values(others), (child) => visit(child, depth + 1, false))
    )
  }
  return visit(schema, 0, true)
}

function judge(header: unknown, type: unknown, isAllowed: boolean): string | null {
  if (!isAllowed) return 'declares a header where none may be'
  if (typeof header !== 'string' || !token.test(header)) return 'declares a header of no valid name'
  return typeof type === 'string' && primitive.has(type)
    ? null
    : 'declares a header of a type that no header has'
}

function first<Item>(
  items: readonly Item[],
  problemOf: (item: Item) => string | null,
): string | null {
  for (const item of items) {
    const problem = problemOf(item)
    if (problem !== null) return problem
  }
  return null
}
