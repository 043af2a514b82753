import postgres, { type Sql } from 'postgres'
import { actAs, rolledBack } from '../../../support/stack/database.ts'
import type { Actor } from '../actors.ts'
import { routineCases } from '../cases/routines.ts'
import { routineExpectations } from '../expectations/routines.ts'
import type { World } from '../world.ts'

/** One call of a function, with values of the caller's organization, of another and of none. */
export interface FunctionCall {
  readonly routine: string
  readonly sql: string
}

/** Calls of each exposed function that takes arguments; more would repeat what few tell. */
const callsEach = 30

/** What a function may tell of another organization: docs/security-model.md names it. */
function isStated(world: World, routine: string, args: Readonly<Record<string, unknown>>): boolean {
  const slugs = (world.rows.get('public.organizations') ?? []).map(({ slug }) => slug)
  return (
    routine === 'public.create_organization(text, text)' &&
    slugs.some((slug) => slug === args['slug'])
  )
}

export function functionCalls(world: World, actor: Actor): FunctionCall[] {
  const isAsked = (id: string) => {
    const expectation = routineExpectations[id]
    return (
      id.startsWith('public.') &&
      expectation?.crossesTenants !== true &&
      expectation?.executors.includes(actor.role) === true
    )
  }
  const counts = new Map<string, number>()
  return routineCases(world, actor, isAsked).flatMap(({ object, sql, args }) => {
    if (isStated(world, object, args ?? {})) return []
    const count = (counts.get(object) ?? 0) + 1
    counts.set(object, count)
    return count > callsEach ? [] : [{ routine: object, sql }]
  })
}

/** Makes the next ids of both worlds the same, which the rows of the others have moved. */
export async function alignSequences(full: Sql, empty: Sql): Promise<void> {
  const sequences = await full<{ name: string; value: string }[]>`
    select format('%I.%I', schemaname, sequencename) as name, last_value::text as value
    from pg_sequences where last_value is not null`
  for (const { name, value } of sequences) await empty`select setval(${name}, ${value}::bigint)`
}

/** The answer or the whole error of a call, which is undone; without the time and what is random. */
export async function answerOf(
  sql: Sql,
  { role, claims }: Actor,
  call: FunctionCall,
  known: string,
): Promise<string> {
  const answer = await rolledBack(sql, async (tx) => {
    await actAs(tx, role, claims)
    return JSON.stringify(await tx.unsafe(call.sql))
  }).catch((error: unknown) => {
    if (!(error instanceof postgres.PostgresError)) throw error
    const { code, message, detail, hint } = error
    return JSON.stringify({ code, message, detail, hint })
  })
  return (
    answer
      .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z|\+00:00)?/g, '<time>')
      // The secret of a new key, and its beginning.
      .replace(/clq_[\w-]+/g, '<new>')
      .replace(/[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (value) =>
        known.includes(value) ? value : '<new>',
      )
  )
}
