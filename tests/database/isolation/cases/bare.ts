import type { Actor } from '../actors.ts'
import type { Relation } from '../catalog.ts'
import { relationExpectations } from '../expectations/index.ts'
import { mayWrite } from '../facts.ts'
import type { Row } from '../rules.ts'
import type { World } from '../world.ts'
import { freshRows } from './fresh.ts'
import { insert, remove, update } from './statements.ts'
import type { Case } from './types.ts'

/** Those who are most and least likely to get a row past a policy. */
const actors = [
  'owner',
  'administrator',
  'member',
  'member of both',
  'guest',
  'former member',
  'platform administrator who was a member',
]

/**
 * Rows that name another organization, another person or no organization, and rows that are moved
 * there, where clients hold every column and no guard speaks first. Whatever is written must be
 * what the rules allow.
 */
export function bareCases(world: World, relation: Relation, actor: Actor): Case[] {
  const expectation = relationExpectations[relation.id]
  // Accounts belong to no organization: there it is the column grants that count.
  if (expectation?.guard === undefined || !actors.includes(actor.name)) return []
  const make = (verb: Case['verb'], note: string, sql: string, sent: Row): Case => ({
    object: relation.id,
    actor,
    verb,
    target: 'other',
    note,
    sql,
    reads: true,
    sent: JSON.stringify(sent),
    expected: { kind: 'open' },
  })
  const changes = elsewhere(world, relation, actor)
  const [own = {}] = freshRows(world, relation, actor)
  // With the parents of the organization that it names, so that no key refuses it first.
  const [theirs = {}] = freshRows(world, relation, { ...actor, tenant: 'b' })
  const rows = world.rows.get(relation.id) ?? []
  const mine = rows
    .filter((row) => mayWrite(world, relation.id, expectation?.update, actor, row))
    .slice(0, 2)
  const key = (row: Row): Row =>
    Object.fromEntries(relation.primaryKey.map((name) => [name, row[name] ?? null]))
  return [
    ...changes.map((change) => {
      const isTheirs = change.organization_id === world.b.organizationId
      const row = { ...(isTheirs ? theirs : own), ...change }
      return make('insert', `with ${JSON.stringify(change)}`, insert(relation, row), row)
    }),
    ...mine.flatMap((row) =>
      changes.map((change) =>
        make(
          'update',
          `moved to ${JSON.stringify(change)}`,
          update(relation, change, key(row)),
          change,
        ),
      ),
    ),
    make('delete', 'unfiltered', remove(relation, {}), {}),
  ]
}

/** Organizations and persons that a row could name. */
function elsewhere(world: World, relation: Relation, actor: Actor): Row[] {
  const has = (name: string): boolean => relation.columns.some((column) => column.name === name)
  const organizations = has('organization_id')
    ? [world.a.organizationId, world.b.organizationId, null]
    : [undefined]
  const people = has('user_id')
    ? [actor.userId, world.a.people[1]?.id ?? null, world.b.people[0]?.id ?? null, null]
    : [undefined]
  return organizations.flatMap((organization_id) =>
    people.map((user_id) => ({
      ...(organization_id === undefined ? {} : { organization_id }),
      ...(user_id === undefined
        ? {}
        : {
            user_id,
            ...(has('scope') ? { scope: user_id === null ? 'organization' : 'user' } : {}),
          }),
    })),
  )
}
