import { createHash } from 'node:crypto'

import type { Column, Relation } from '../catalog.ts'
import type { Value } from '../rules.ts'
import type { Names } from './names.ts'

/** Values of a closed set: `check (column in (…))`; undefined for an open one. */
export function closedSet(relation: Relation, column: string): string[] | undefined {
  const sets = relation.checks
    .filter(
      ({ columns, definition }) =>
        columns.join() === column &&
        (definition.includes('= ANY') || definition.startsWith(`CHECK ((${column} = '`)),
    )
    .map(({ definition }) =>
      [...definition.matchAll(/'([^']*)'::/g)].map(([, value]) => value ?? ''),
    )
  return sets[0]
}

function hasCheck(relation: Relation, column: string, text: string): boolean {
  return relation.checks.some(
    ({ columns, definition }) => columns.includes(column) && definition.includes(text),
  )
}

/**
 * A valid value that carries a marker wherever the type can hold one; undefined to leave the
 * column to its default.
 */
export function plantedValue(relation: Relation, column: Column, names: Names): Value | undefined {
  const { name, type, notNull } = column
  const set = closedSet(relation, name)
  if (set !== undefined) return column.default === null ? set[0] : undefined
  if (type === 'text' || type.startsWith('character varying')) {
    const marker = names.text()
    if (hasCheck(relation, name, 'v1\\.')) return `v1.key.nonce.${marker}`
    if (hasCheck(relation, name, 'https?')) return `https://${marker}.example.com`
    return name.includes('email') ? `${marker}@example.com` : marker
  }
  if (type === 'jsonb' || type === 'json') {
    const marker = names.text()
    return hasCheck(relation, name, "'array'") ? [marker] : { canary: marker }
  }
  if (type === 'tsvector') return names.text()
  if (type === 'bytea') return `\\x${createHash('sha256').update(names.text()).digest('hex')}`
  if (type === 'uuid') return column.default === null && !notNull ? undefined : names.uuid()
  if (!notNull || column.default !== null) return undefined
  if (type === 'boolean') return true
  if (type === 'date' || type.startsWith('timestamp')) return '2027-01-02'
  if (/^(bigint|integer|smallint|numeric|real|double)/.test(type)) return 1
  throw new Error(`${relation.id}.${name}: say in plant/special.ts what a valid ${type} is`)
}
