import type { Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../../dev/postgres/database.ts'
import { actAs, rolledBack, sqlstateOf } from '../../support/stack/database.ts'
import { useStack } from '../../support/stack/stack.ts'
import type { Actor } from './actors.ts'
import { alignSequences, answerOf, functionCalls } from './answers/calls.ts'
import { addNeighbours } from './answers/neighbours.ts'
import { type Question, routineQuestions, tableQuestions } from './answers/questions.ts'
import { openRest, type World } from './answers/rest.ts'
import { relationExpectations } from './expectations/index.ts'
import { createWorlds, type Worlds } from './scratch.ts'

// Two worlds that differ in the rows of other organizations only, both analyzed: whatever one of A
// asks, both give the same answer, to the last header.

let worlds: Worlds
let full: World
let empty: World
let cases = 0

beforeAll(async () => {
  const { databaseUrl, superuserUrl } = useStack()
  worlds = await createWorlds(databaseUrl)
  if (superuserUrl === undefined) throw new Error('the stack has no server of its own')
  const at = Object.assign(new URL(superuserUrl), { pathname: new URL(worlds.fullUrl).pathname })
  const superuser = connect(at.href)
  const { catalog, b } = worlds.world
  const added = await addNeighbours(superuser, catalog, b.organizationId, 200)
  await superuser.end()
  expect(added).toBeGreaterThan(10_000)
  await Promise.all([worlds.full`analyze`, worlds.empty`analyze`])
  ;[full, empty] = [await openRest(worlds.fullUrl), await openRest(worlds.emptyUrl)]
}, 400_000)

afterAll(async () => {
  await Promise.all([full.close(), empty.close()])
  await worlds.close()
  console.log(`isolation: ${cases} requests, answered alike in two worlds`)
})

/** One of each kind who may read something, and anon. */
const askers = ['owner', 'guest', 'API key of an administrator', 'anon']

const someone = (name: string): Actor => {
  const actor = worlds.world.actors.find((one) => one.name === name)
  if (actor === undefined) throw new Error(`nobody is called ${name}`)
  return actor
}

/** The questions to which the worlds do not give the same answer. */
async function differences(actor: Actor, questions: readonly Question[]): Promise<string[]> {
  const found: string[] = []
  const waiting = [...questions]
  const work = async (): Promise<void> => {
    for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
      const [inFull, inEmpty] = await Promise.all([full.ask(one, actor), empty.ask(one, actor)])
      cases++
      if (inFull !== inEmpty) found.push(`${one.method} ${one.path}\n${inFull}\n≠\n${inEmpty}`)
    }
  }
  await Promise.all([work(), work(), work()])
  return found
}

test('no answer about a table or a view depends on a row of another organization', async () => {
  const exposed = worlds.world.catalog.relations.filter((relation) => relation.exposed)
  for (const actor of askers.map(someone)) {
    const questions = exposed.flatMap((one) => tableQuestions(worlds.world, one, actor))
    expect(questions.length).toBeGreaterThan(400)
    expect(await differences(actor, questions)).toEqual([])
  }
}, 400_000)

test('no answer of a function depends on a row of another organization', async () => {
  const exposed = worlds.world.catalog.routines.filter(({ schema }) => schema === 'public')
  for (const actor of askers.map(someone)) {
    const questions = exposed.flatMap((one) => routineQuestions(worlds.world, one, actor))
    expect(questions.length).toBeGreaterThan(200)
    expect(await differences(actor, questions)).toEqual([])
  }
}, 180_000)

test('no call with arguments tells an absent row from one of another organization', async () => {
  const { world, full: withB, empty: withoutB } = worlds
  await alignSequences(withB, withoutB)
  const known = JSON.stringify([...world.rows])
  const owner = someone('owner')
  const calls = functionCalls(world, owner)
  const asked = new Set(calls.map(({ routine }) => routine))
  const takesArguments = world.catalog.routines.filter(
    ({ id, arguments: taken }) => taken.some(({ optional }) => !optional) && asked.has(id),
  )
  expect(takesArguments.length).toBeGreaterThan(20)
  expect(calls.length).toBeGreaterThan(500)
  const found: string[] = []
  for (const call of calls) {
    // One after the other: both worlds give out the same ids.
    const inFull = await answerOf(withB, owner, call, known)
    const inEmpty = await answerOf(withoutB, owner, call, known)
    cases++
    if (inFull !== inEmpty) found.push(`${call.sql}\n${inFull}\n≠\n${inEmpty}`)
  }
  expect(found).toEqual([])
}, 400_000)

describe('an estimate', () => {
  /** What PostgREST sends for count=planned, within a request or not. */
  const explain = (sql: Sql, statement: string, method: string) =>
    rolledBack(sql, async (tx) => {
      await actAs(tx, 'authenticated', someone('owner').claims)
      await tx`select set_config('request.method', ${method}, true)`
      const rows = await tx.unsafe(`EXPLAIN (FORMAT JSON) ${statement}`)
      const [plan] = rows[0]?.['QUERY PLAN'] as [{ Plan: { 'Plan Rows': number } }]
      return plan.Plan['Plan Rows']
    })

  const readable = () =>
    worlds.world.catalog.relations.flatMap(({ id, exposed }) => {
      const columns = relationExpectations[id]?.grants.authenticated?.select
      return exposed && columns !== undefined ? [`select 1 from ${id}`] : []
    })

  test('is refused by each table and view, however the request hid that it asks for one', async () => {
    expect(readable().length).toBeGreaterThan(40)
    for (const statement of readable()) {
      cases++
      expect([statement, await sqlstateOf(explain(worlds.full, statement, 'GET'))]).toEqual([
        statement,
        'PT400',
      ])
    }
  })

  test('would tell of other organizations, were it given', async () => {
    const told: string[] = []
    for (const statement of readable()) {
      const [one, other] = [
        await explain(worlds.full, statement, ''),
        await explain(worlds.empty, statement, ''),
      ]
      if (one !== other) told.push(statement)
    }
    expect(told.length).toBeGreaterThan(10)
  })

  test('is for the secret key alone, which reads every organization’s rows anyway', async () => {
    const statement = 'explain select 1 from public.chat_sessions'
    const rows = await rolledBack(worlds.full, async (tx) => {
      await actAs(tx, 'service_role')
      await tx`select set_config('request.method', 'GET', true)`
      return tx.unsafe(statement)
    })
    expect(rows.length).toBeGreaterThan(0)
  })
})
