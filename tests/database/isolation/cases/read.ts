import type { Row } from '../rules.ts'
import * as sql from './statements.ts'
import {
  columnsFor,
  type Draft,
  isThorough,
  keyOf,
  matches,
  refused,
  sees,
  type Subject,
  targets,
} from './subject.ts'
import type { Expected, Target } from './types.ts'

/** All rows, a count, one row of each tenant, and every column that is not granted. */
export function readCases(subject: Subject): Draft[] {
  const { relation } = subject
  const columns = columnsFor(subject, 'select')
  const all = relation.columns.map(({ name }) => name)
  const read = (target: Target, note: string, text: string, expected: Expected): Draft => ({
    verb: 'select',
    target,
    note,
    sql: text,
    reads: true,
    sent: text,
    expected,
  })
  if (columns.length === 0) {
    return [
      read('all', 'every column', sql.select(relation, all), refused),
      read('all', 'a count', sql.count(relation), refused),
    ]
  }
  const shown = subject.rows.filter((row) => sees(subject, row))
  const key = keyOf(subject)
  const found = (filter: Row): Expected => ({
    kind: 'rows',
    key,
    rows: shown.filter((row) => matches(row, filter)),
  })
  const total: Expected = { kind: 'rows', key: ['count'], rows: [{ count: shown.length }] }
  return [
    read('all', 'what is granted', sql.select(relation, columns), found({})),
    read('all', 'a count', sql.count(relation), total),
    ...targets(subject).map(([target, filter]) =>
      read(target, 'by its key', sql.select(relation, columns, filter), found(filter)),
    ),
    ...(isThorough(subject) ? all : [])
      .filter((name) => !columns.includes(name))
      .map((name) => read('all', `column ${name}`, sql.select(relation, [name]), refused)),
  ]
}
