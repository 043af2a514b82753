import { isInUse } from '../facts.ts'
import type { Row } from '../rules.ts'
import { insertCases } from './insert.ts'
import { readCases } from './read.ts'
import * as sql from './statements.ts'
import {
  columnsFor,
  type Draft,
  matches,
  refused,
  sees,
  type Subject,
  targets,
  unlessGuarded,
  writes,
} from './subject.ts'
import type { Case, Expected, Target, Verb } from './types.ts'
import { updateCases } from './update.ts'

/** Every statement one actor tries on one table or view. */
export function tableCases(subject: Subject): Case[] {
  const drafts = [
    ...readCases(subject),
    ...(subject.relation.kind === 'table' ? writeCases(subject) : viewCases(subject)),
  ]
  return drafts.map((draft) => ({ ...draft, object: subject.relation.id, actor: subject.actor }))
}

function writeCases(subject: Subject): Draft[] {
  const truncate = `truncate ${subject.relation.id} cascade`
  return [
    ...insertCases(subject),
    ...updateCases(subject),
    ...deleteCases(subject),
    { ...draft('truncate', 'all', 'the table', truncate, refused), reads: false },
  ]
}

function draft(verb: Verb, target: Target, note: string, text: string, expected: Expected): Draft {
  return { verb, target, note, sql: text, reads: true, sent: text, expected }
}

/** Nothing may be written through any view. */
function viewCases({ relation }: Subject): Draft[] {
  const column = relation.columns.find(({ name }) => name === 'name') ?? relation.columns[0]
  const row = { [column?.name ?? '']: null }
  return [
    draft('insert', 'all', 'through a view', sql.insert(relation, row), refused),
    draft('update', 'all', 'through a view', sql.update(relation, row, {}), refused),
    draft('delete', 'all', 'through a view', sql.remove(relation, {}), refused),
  ]
}

function deleteCases(subject: Subject): Draft[] {
  const { world, relation, expectation, actor, rows } = subject
  const granted = expectation.grants[actor.role]?.delete === true
  const removes = (filter: Row, looks: boolean): Expected => {
    const gone = rows.filter(
      (row) =>
        matches(row, filter) && writes(subject, 'delete', row) && (!looks || sees(subject, row)),
    )
    const isKept = gone.some((row) => isInUse(world, expectation, row))
    return unlessGuarded(
      subject,
      isKept ? { kind: 'in use' } : { kind: 'affected', count: gone.length },
    )
  }
  const isFree = (row: Row): boolean =>
    writes(subject, 'delete', row) && sees(subject, row) && !isInUse(world, expectation, row)
  // Where content keeps most rows, also one that nothing refers to.
  const free = expectation.keptBy === undefined ? [] : rows.filter(isFree)
  const remove = (
    target: Target,
    note: string,
    filter: Row,
    shown: readonly string[],
    looks: boolean,
  ) =>
    draft(
      'delete',
      target,
      note,
      sql.remove(relation, filter, shown),
      granted ? removes(filter, looks) : refused,
    )
  return [
    remove('all', 'unfiltered, minimal', {}, [], false),
    remove('all', 'unfiltered, representation', {}, columnsFor(subject, 'select'), true),
    ...targets(subject).map(([target, filter]) => remove(target, 'by its key', filter, [], true)),
    ...free.slice(0, 1).map(({ id = null }) => remove('own', 'without use', { id }, [], true)),
  ]
}
