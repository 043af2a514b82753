import type { Row } from '../rules.ts'
import { freshRows } from './fresh.ts'
import * as sql from './statements.ts'
import {
  brief,
  columnsFor,
  type Draft,
  isThorough,
  only,
  refused,
  refusedRow,
  sees,
  type Subject,
  targets,
  writes,
} from './subject.ts'
import type { Expected, Target } from './types.ts'
import { valuesFor } from './values.ts'

type Make = (target: Target, note: string, row: Row, text: string, expected: Expected) => Draft

const insert: Make = (target, note, row, text, expected) => ({
  verb: 'insert',
  target,
  note,
  sql: text,
  reads: true,
  sent: JSON.stringify(row),
  expected,
})

/** A valid row of each kind, every column without a grant, and generated values for the others. */
export function insertCases(subject: Subject): Draft[] {
  const { relation, actor } = subject
  const granted = columnsFor(subject, 'insert')
  const fresh = freshRows(subject.world, relation, actor)
  if (granted.length === 0) {
    const [row = {}] = fresh
    return [insert('own', 'a valid row', row, sql.insert(relation, row), refused)]
  }
  const rows = fresh.map((row) => only(row, granted))
  const allowed = rows.filter((row) => writes(subject, 'insert', becomes(subject, row)))
  const [base = rows[0] ?? {}] = allowed
  return [
    ...rows.flatMap((row) => validCases(subject, row)),
    ...(isThorough(subject) ? ungranted(subject, base, granted) : []),
    ...(allowed.length > 0 && isThorough(subject) ? generated(subject, base, granted) : []),
    ...upserts(subject, base, granted),
  ]
}

/** The row with what column defaults make of tenant and user. */
function becomes({ relation, actor }: Subject, row: Row): Row {
  const has = (name: string, call: string) =>
    relation.columns.some((column) => column.name === name && column.default?.includes(call))
  return {
    ...(has('organization_id', 'organization') ? { organization_id: actor.organizationId } : {}),
    user_id: has('user_id', 'current_user_id') ? actor.userId : null,
    ...(has('visibility', 'private') ? { visibility: 'private' } : {}),
    ...row,
  }
}

function validCases(subject: Subject, row: Row): Draft[] {
  const { relation } = subject
  const result = becomes(subject, row)
  const may = writes(subject, 'insert', result)
  const note = `for ${brief(row.scope ?? row.user_id ?? null)}`
  const succeeds: Expected = { kind: 'succeeds' }
  const shown = sql.insert(relation, row, columnsFor(subject, 'select'))
  return [
    insert(
      'own',
      `${note}, minimal`,
      row,
      sql.insert(relation, row),
      may ? succeeds : refusedRow(subject),
    ),
    insert(
      'own',
      `${note}, representation`,
      row,
      shown,
      may && sees(subject, result) ? succeeds : refusedRow(subject),
    ),
  ]
}

function ungranted({ world, relation }: Subject, base: Row, granted: readonly string[]): Draft[] {
  return relation.columns
    .filter(({ name }) => !granted.includes(name))
    .map(({ name, type }) => {
      const [person] = world.b.people
      const value =
        type === 'bigint' ? world.b.organizationId : type === 'uuid' ? (person?.id ?? '') : null
      const row = { ...base, [name]: value }
      return insert('other', `column ${name}, not granted`, row, sql.insert(relation, row), refused)
    })
}

function generated(subject: Subject, base: Row, granted: readonly string[]): Draft[] {
  const { world, relation } = subject
  const shown = columnsFor(subject, 'select')
  return relation.columns
    .filter(({ name }) => granted.includes(name))
    .flatMap((column) =>
      valuesFor(world, relation, column, 1).map((value) => {
        const row = { ...base, [column.name]: value }
        const text = sql.insert(relation, row, shown)
        return insert('other', `${column.name} = ${brief(value)}`, row, text, { kind: 'open' })
      }),
    )
}

function upserts(subject: Subject, base: Row, granted: readonly string[]): Draft[] {
  const { relation } = subject
  const updatable = columnsFor(subject, 'update')
  const byName = relation.unique
    .filter(
      (key) =>
        !key.includes('id') &&
        key.every((name) => name === 'organization_id' || granted.includes(name)),
    )
    .flatMap((key) =>
      namesakes(
        subject,
        base,
        key.filter((name) => granted.includes(name)),
        key,
      ),
    )
  const byKey = targets(subject).map(([target, key]): Draft => {
    const row = { ...base, ...key }
    const may = Object.keys(row).every((name) => granted.includes(name) && updatable.includes(name))
    const text = sql.upsert(relation, row, relation.primaryKey)
    return {
      ...insert(target, 'on its key', row, text, may ? { kind: 'open' } : refused),
      verb: 'upsert',
    }
  })
  return [...byKey, ...byName]
}

/** Rows with the values that rows of either tenant hold under a key that clients may name. */
function namesakes(
  subject: Subject,
  base: Row,
  columns: readonly string[],
  key: readonly string[],
): Draft[] {
  const { world, relation } = subject
  const tenants = [world.a.organizationId, world.b.organizationId]
  return tenants.flatMap((tenant, index) => {
    const held = world.rows.get(relation.id)?.find((row) => row.organization_id === tenant)
    if (held === undefined) return []
    const row = { ...base, ...only(held, columns) }
    const text = sql.upsert(relation, row, key)
    const target: Target = index === 0 ? 'own' : 'other'
    return [
      {
        ...insert(target, `on ${key.join()}`, row, text, { kind: 'open' }),
        verb: 'upsert' as const,
      },
    ]
  })
}
