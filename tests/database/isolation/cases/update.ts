import type { Row } from '../rules.ts'
import { keptColumns } from '../facts.ts'
import { closedSet } from '../plant/values.ts'
import { freshRows } from './fresh.ts'
import * as sql from './statements.ts'
import {
  brief,
  columnsFor,
  type Draft,
  isThorough,
  matches,
  refused,
  sees,
  type Subject,
  targets,
  unlessGuarded,
  writes,
} from './subject.ts'
import type { Expected, Target } from './types.ts'
import { valuesFor } from './values.ts'

/** With and without a filter, with and without an answer; every column, granted or not. */
export function updateCases(subject: Subject): Draft[] {
  const granted = columnsFor(subject, 'update')
  const values = harmlessChange(subject, granted)
  if (granted.length === 0) {
    return [
      update(subject, 'all', 'unfiltered, minimal', values, {}, false, refused),
      ...targets(subject).map(([target, filter]) =>
        update(subject, target, 'by its key', values, filter, false, refused),
      ),
    ]
  }
  const changes = (filter: Row, looks: boolean): Expected =>
    unlessGuarded(subject, {
      kind: 'affected',
      count: subject.rows.filter(
        (row) =>
          matches(row, filter) && writes(subject, 'update', row) && (!looks || sees(subject, row)),
      ).length,
    })
  return [
    update(subject, 'all', 'unfiltered, minimal', values, {}, false, changes({}, false)),
    update(subject, 'all', 'unfiltered, representation', values, {}, true, changes({}, true)),
    ...targets(subject).flatMap(([target, filter]) => [
      update(subject, target, 'by its key, minimal', values, filter, false, changes(filter, true)),
      update(
        subject,
        target,
        'by its key, representation',
        values,
        filter,
        true,
        changes(filter, true),
      ),
    ]),
    ...(isThorough(subject)
      ? [...ungranted(subject, granted), ...generated(subject, granted)]
      : []),
  ]
}

function ungranted(subject: Subject, granted: readonly string[]): Draft[] {
  return subject.relation.columns
    .filter(({ name }) => !granted.includes(name))
    .map(({ name }) => {
      // What a row keeps is refused where a row would change, and not before.
      const isKept =
        subject.actor.role === 'authenticated' && keptColumns(subject.expectation).includes(name)
      const changes = subject.rows.some(
        (row) => row[name] !== null && writes(subject, 'update', row),
      )
      const expected: Expected = isKept && !changes ? { kind: 'open' } : refused
      const note = `column ${name}, ${isKept ? 'kept' : 'not granted'}`
      return update(subject, 'own', note, { [name]: null }, {}, false, expected)
    })
}

function update(
  subject: Subject,
  target: Target,
  note: string,
  values: Row,
  filter: Row,
  representation: boolean,
  expected: Expected,
): Draft {
  const shown = representation ? columnsFor(subject, 'select') : []
  const text = sql.update(subject.relation, values, filter, shown)
  const sent = JSON.stringify([values, filter])
  return { verb: 'update', target, note, sql: text, reads: true, sent, expected }
}

/** A value for a column that no key, reference or closed set depends on. */
function harmlessChange(
  { world, relation, expectation, actor, rows }: Subject,
  granted: readonly string[],
): Row {
  const bound = new Set([
    ...relation.unique.flat(),
    ...Object.keys(expectation.references ?? {}).flatMap((text) => text.split(' ')),
    ...relation.columns
      .filter(({ name }) => closedSet(relation, name) !== undefined)
      .map(({ name }) => name),
    'user_id',
    'organization_id',
  ])
  const [fresh = {}] = freshRows(world, relation, actor)
  const columns = granted.length > 0 ? granted : relation.columns.map(({ name }) => name)
  const free = columns.filter((name) => !bound.has(name))
  const column = free.find((name) => fresh[name] != null) ?? free[0] ?? columns.at(-1) ?? ''
  const [held, made] = [rows[0]?.[column], fresh[column]]
  // A place in an order, say, is valid as it is.
  return { [column]: (free.length > 0 ? (made ?? held) : (held ?? made)) ?? null }
}

function generated(subject: Subject, granted: readonly string[]): Draft[] {
  const { world, relation, rows } = subject
  const mine = rows.find((row) => sees(subject, row) && writes(subject, 'update', row))
  if (mine === undefined) return []
  const filter = Object.fromEntries(relation.primaryKey.map((name) => [name, mine[name] ?? null]))
  return relation.columns
    .filter(({ name }) => granted.includes(name))
    .flatMap((column) =>
      valuesFor(world, relation, column, 2).map((value) => {
        const note = `${column.name} = ${brief(value)}`
        return update(subject, 'own', note, { [column.name]: value }, filter, true, {
          kind: 'open',
        })
      }),
    )
}
