import { createHash } from 'node:crypto'

import fc from 'fast-check'

import type { Column, Relation } from '../catalog.ts'
import type { Row, Value } from '../rules.ts'
import type { World } from '../world.ts'

const injections = [
  `'; drop table public.users; --`,
  `") or 1=1 --`,
  '$$ || pg_sleep(0) || $$',
  '{{organization_name}} ${1+1}',
  '\u202e\ud800',
  '\u0000',
  // Too long for an index also when compressed.
  Array.from({ length: 300 }, (_, index) =>
    createHash('sha256').update(`${index}`).digest('hex'),
  ).join(''),
]

/** Values that no row has. */
export const absentUuid = 'dddddddd-0000-7000-8000-000000000000'
export const absentId = 990_000_000_001
export const absentDate = '1999-12-31'

/** How many random values a column gets, beside the hostile ones. */
const random = Number(process.env.ISOLATION_RANDOM ?? 3)

/** Values that someone who means harm would try, by type. */
export function hostile(type: string): readonly Value[] {
  if (type === 'text' || type.startsWith('character')) return ['', null, 5, ...injections]
  if (type === 'uuid') return [null, absentUuid, 'not-a-uuid', '']
  if (type.startsWith('json')) {
    return [null, [], {}, 'text', 7, { a: injections.slice(0, 5) }, { deep: nested(200) }]
  }
  if (type === 'boolean') return [null, true, false, 'perhaps']
  if (/^(bigint|integer|smallint|numeric|real|double)/.test(type)) {
    return [null, 0, -1, absentId, '99999999999999999999999', '1.5', 'NaN', 'one']
  }
  if (/^(timestamp|date)/.test(type)) return [null, 'infinity', '0001-01-01', 'yesterday?', 12]
  return [null, '', '{}', [], 'x']
}

function nested(depth: number): Value {
  return depth === 0 ? 0 : [nested(depth - 1)]
}

function arbitrary(type: string): fc.Arbitrary<unknown> {
  if (type === 'text' || type.startsWith('character')) return fc.string({ unit: 'grapheme' })
  if (type === 'uuid') return fc.uuid()
  if (type.startsWith('json')) return fc.jsonValue()
  if (type === 'boolean') return fc.boolean()
  if (/^(bigint|integer|smallint)/.test(type)) return fc.integer()
  if (/^(numeric|real|double)/.test(type))
    return fc.double({ noNaN: true, noDefaultInfinity: true })
  if (/^(timestamp|date)/.test(type)) {
    return fc.date({ noInvalidDate: true }).map((date) => date.toISOString())
  }
  return type === 'real[]'
    ? fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }))
    : fc.array(fc.string())
}

/**
 * Values for a column: hostile ones, what the other organization holds in the same column and in
 * the one it refers to, and random ones of the type. The same for the same seed.
 */
export function valuesFor(world: World, relation: Relation, column: Column, seed: number): Value[] {
  const known = (id: string, name: string): Value[] =>
    (world.rows.get(id) ?? []).map((row: Row) => row[name] ?? null)
  const referred = relation.foreignKeys
    .filter(({ columns }) => columns.at(-1) === column.name)
    .flatMap(({ parent, parentColumns }) => known(parent, parentColumns.at(-1) ?? ''))
  const foreign = (value: Value) => /canary-b|bbbbbbbb-|\b77\d{11}\b/.test(JSON.stringify(value))
  const held = [...known(relation.id, column.name), ...referred].filter(foreign)
  const sampled = fc.sample(arbitrary(column.type), { seed, numRuns: random }) as Value[]
  const all = [...new Set([...held, ...referred].map((value) => JSON.stringify(value)))]
  const distinct = all.slice(0, 6).map((text) => JSON.parse(text) as Value)
  return [...distinct, ...hostile(column.type), ...sampled]
}
