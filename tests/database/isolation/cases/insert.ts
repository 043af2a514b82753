import { isGuarded, keptColumns } from '../facts.ts'
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
    ...(has('organization_id', 'tenant')
      ? { organization_id: actor.organizationId ?? actor.guestOf }
      : {}),
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

/** As PostgREST sends them: on conflict, every column of the body is set again, the key's too. */
function upserts(subject: Subject, base: Row, granted: readonly string[]): Draft[] {
  const { relation, expectation } = subject
  const updatable = [...columnsFor(subject, 'update'), ...keptColumns(expectation)]
  const mayName = (row: Row) =>
    Object.keys(row).every((name) => granted.includes(name) && updatable.includes(name))
  const may =
    writes(subject, 'insert', becomes(subject, base)) && !isGuarded(expectation, subject.actor)
  const upsert = (target: Target, note: string, row: Row, key: readonly string[], ok: boolean) => {
    const text = sql.upsert(relation, row, key, columnsFor(subject, 'select'))
    const expected: Expected = !mayName(row)
      ? refused
      : ok
        ? { kind: 'succeeds' }
        : { kind: 'open' }
    return { ...insert(target, note, row, text, expected), verb: 'upsert' as const }
  }
  const primary = relation.primaryKey
  const seen = may && sees(subject, becomes(subject, base))
  const fresh = mayName(base) ? [upsert('own', 'without a namesake', base, primary, seen)] : []
  const byKey = targets(subject).map(([target, key]) =>
    upsert(target, 'on its key', { ...base, ...key }, primary, false),
  )
  const deferred = relation.deferrable.map((key) => key.join())
  const named = relation.unique.filter(
    (key) =>
      !deferred.includes(key.join()) &&
      key.every((name) => name === 'organization_id' || granted.includes(name)),
  )
  const onNames = named.flatMap((key) =>
    namesakes(subject, key).map(([target, held, isOwn]) => {
      const kept = only(held, [...key, ...keptColumns(expectation), ...relation.deferrable.flat()])
      const row = only({ ...base, ...kept }, granted)
      const after = { ...held, ...row }
      const changes = isOwn && writes(subject, 'update', after) && sees(subject, after)
      return upsert(target, `on ${key.join()}`, row, key, may && changes)
    }),
  )
  return [...fresh, ...byKey, ...onNames]
}

/** A row of either tenant to meet under a key; of the actor's own one that may be changed, if any. */
function namesakes(subject: Subject, key: readonly string[]): [Target, Row, boolean][] {
  const { world, relation, actor } = subject
  return [world.a.organizationId, world.b.organizationId].flatMap((tenant, index) => {
    const rows = (world.rows.get(relation.id) ?? []).filter(
      (row) => row.organization_id === tenant && key.some((name) => row[name] !== null),
    )
    const mine = rows.find((row) => sees(subject, row) && writes(subject, 'update', row))
    const held = mine ?? rows[0]
    const isOwn = mine !== undefined && (actor.organizationId ?? actor.guestOf) === tenant
    const target: Target = index === 0 ? 'own' : 'other'
    return held === undefined ? [] : ([[target, held, isOwn]] as [Target, Row, boolean][])
  })
}
