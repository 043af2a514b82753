import type { Sql } from 'postgres'

import type { World } from '../world.ts'
import type { Finding } from './invariant.ts'

/** What clients were sent while everything went on: nothing foreign, and only documented answers. */
export function checkAnswers({ answers }: World): Finding[] {
  const count = [...answers.counts.values()].reduce((sum, value) => sum + value, 0)
  return [
    {
      name: 'nothing of another organization',
      checked: `${count} answers inspected`,
      wrong: answers.foreign,
    },
    {
      name: 'documented answers only',
      checked: `${answers.counts.size} kinds of answer`,
      wrong: answers.undocumented,
    },
  ]
}

/** Each client counts exactly its own rows. */
export async function checkCounts(sql: Sql, { clients }: World): Promise<Finding> {
  const wrong: string[] = []
  for (const { devices, id, organization } of clients) {
    const [device] = devices
    const [row] = await sql<[{ sessions: number; messages: number; executions: number }]>`
      select count(*)::int as sessions,
        (select count(*)::int from public.chat_messages m where m.organization_id = ${organization.id}
          and m.session_id in (select id from public.chat_sessions where user_id = ${id})) as messages,
        (select count(*)::int from public.agent_executions x
          where x.organization_id = ${organization.id} and x.user_id = ${id}) as executions
      from public.chat_sessions s where s.organization_id = ${organization.id} and s.user_id = ${id}`
    const counts = await Promise.all(
      (['chat_sessions', 'chat_messages', 'agent_executions'] as const).map((table) =>
        device.from(table).select('id', { count: 'exact' }).limit(1),
      ),
    )
    const seen = counts.map(({ count }) => count).join(', ')
    const own = [row.sessions, row.messages, row.executions].join(', ')
    if (seen !== own) wrong.push(`${organization.marker} ${id} counts ${seen}, has ${own}`)
  }
  return { name: 'each client counts its own rows', checked: `${clients.length} clients`, wrong }
}
