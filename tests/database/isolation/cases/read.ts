import type { Row } from '../rules.ts'
import * as sql from './statements.ts'
import {
  columnsFor,
  type Draft,
  keyOf,
  matches,
  refused,
  sees,
  type Subject,
  targets,
} from './subject.ts'
import type { Expected, Target } from './types.ts'

/** All rows, a count, and one row of each tenant, with every column. */
export function readCases(subject: Subject): Draft[] {
  const { relation } = subject
  const columns = columnsFor(subject, 'select')
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
      read('all', 'every column', sql.select(relation), refused),
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
    read('all', 'every column', sql.select(relation), found({})),
    read('all', 'a count', sql.count(relation), total),
    ...targets(subject).map(([target, filter]) =>
      read(target, 'by its key', sql.select(relation, filter), found(filter)),
    ),
  ]
}
