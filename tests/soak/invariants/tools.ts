import type { Sql } from 'postgres'
import type { World } from '../world.ts'
import type { Finding } from './invariant.ts'

/** A call of a tool arrives once at most, and what the database says of it is what happened. */
export async function checkToolCalls(sql: Sql, world: World): Promise<Finding[]> {
  const { made } = world.tools
  const rows = await sql<{ id: string; status: string }[]>`
    select (arguments::jsonb) ->> 'id' as id, status from conversation.tool_calls`
  const known = new Set(rows.map(({ id }) => id))
  const deleted = await callsOfDeleted(sql, world)
  const arrived = `${made.size} calls of a tool`
  const stored = `${rows.length} stored calls`
  const which = (ids: readonly string[], what: string) => ids.map((id) => `call ${id} ${what}`)
  const ofRows = (isWrong: (row: { id: string; status: string }) => boolean) =>
    rows.filter(isWrong).map(({ id }) => id)
  return [
    {
      name: 'no tool is called twice',
      checked: arrived,
      wrong: which(
        [...made].flatMap(([id, times]) => (times > 1 ? [id] : [])),
        'arrived more than once',
      ),
    },
    {
      name: 'every call that arrived is written down',
      checked: arrived,
      wrong: which(
        [...made.keys()].filter((id) => !known.has(id) && !deleted.has(id)),
        'arrived and is not written down',
      ),
    },
    {
      name: 'every call of a tool has an end',
      checked: stored,
      wrong: which(
        ofRows(({ status }) => ['pending', 'approved', 'running'].includes(status)),
        'has no end',
      ),
    },
    {
      name: 'a call that succeeded has arrived',
      checked: stored,
      wrong: which(
        ofRows(({ id, status }) => status === 'success' && !made.has(id)),
        'never arrived',
      ),
    },
  ]
}

/** Calls whose conversation was deleted, and what is stored of them with it. */
async function callsOfDeleted(sql: Sql, { provider, asked }: World): Promise<Set<string>> {
  const sessions = await sql<{ id: string }[]>`select id from public.chat_sessions`
  const present = new Set(sessions.map(({ id }) => id))
  const seeds = new Set(
    asked.filter(({ conversation }) => !present.has(conversation.id)).map(({ seed }) => seed),
  )
  return new Set(
    provider.calls.flatMap(({ seed, tool }) => (tool !== null && seeds.has(seed) ? [tool] : [])),
  )
}
