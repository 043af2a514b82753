import type { Sql } from 'postgres'
import type { World } from '../world.ts'
import type { Finding } from './invariant.ts'

/** A call of a tool arrives once at most, and what the database says of it is what happened. */
export async function checkToolCalls(sql: Sql, { tools }: World): Promise<Finding> {
  const rows = await sql<{ id: string; status: string }[]>`
    select (arguments::jsonb) ->> 'id' as id, status from conversation.tool_calls`
  const known = new Map(rows.map(({ id, status }) => [id, status]))
  const wrong = [...tools.made].flatMap(([id, times]) => [
    ...(times > 1 ? [`call ${id} arrived ${times} times`] : []),
    ...(known.has(id) ? [] : [`call ${id} arrived and is not written down`]),
  ])
  for (const [id, status] of known) {
    if (['pending', 'approved', 'running'].includes(status)) wrong.push(`call ${id} is ${status}`)
    if (status === 'success' && !tools.made.has(id)) wrong.push(`call ${id} never arrived`)
  }
  return { name: 'no tool is called twice', checked: `${tools.made.size} calls of a tool`, wrong }
}
