import { randomUUID } from 'node:crypto'
import { type DemoAnswer, explain } from './answer.ts'
import type { DemoPerson } from './person.ts'
import { type DemoReport, describe } from './report.ts'

/** What PostgREST answers, as far as the demo looks at it. */
interface Answer {
  data: unknown
  error: { code: string; message: string } | null
}

/** Tries to read and to change another organization's rows, knowing their exact ids. */
export async function attemptForeign(
  report: DemoReport,
  owner: DemoPerson,
  { name, client, organization }: DemoPerson,
  answer: DemoAnswer,
): Promise<void> {
  const { sessionId, executionId } = answer
  const mine = owner.organization.id

  const nothing = (claim: string, { data, error }: Answer) =>
    report.check(claim, error === null && Array.isArray(data) && data.length === 0, error ?? data)
  const refused = (claim: string, code: string, { data, error }: Answer) =>
    report.check(`${claim}: refused, ${code}`, error?.code === code, error ?? data)

  const sessions = () => client.from('chat_sessions')
  nothing('reading the session by its id: no row', await sessions().select().eq('id', sessionId))
  nothing(
    'reading its messages: no row',
    await client.from('chat_messages').select().eq('session_id', sessionId),
  )
  nothing(
    'reading the execution by its id: no row',
    await client.from('agent_executions').select().eq('id', executionId),
  )
  nothing(
    'renaming the session: no row changed',
    await sessions().update({ title: 'taken over' }).eq('id', sessionId).select(),
  )
  nothing(
    'deleting the session: no row deleted',
    await sessions().delete().eq('id', sessionId).select(),
  )
  refused(
    `inserting a session into organization ${mine}`,
    '42501',
    await sessions().insert({ organization_id: mine, title: 'planted' }),
  )
  refused(
    'inserting a message into the session',
    '42501',
    await client.from('chat_messages').insert({
      organization_id: mine,
      session_id: sessionId,
      user_id: owner.id,
      role: 'assistant',
      content: 'planted',
    }),
  )
  refused(
    `inserting an MCP server into organization ${mine}`,
    '42501',
    await client.from('mcp_configurations').insert({
      organization_id: mine,
      name: 'planted',
      type: 'http',
      endpoint: 'https://planted.example.com/mcp',
    }),
  )
  refused(
    `moving every project within ${name}’s reach to organization ${mine}`,
    '42501',
    await client
      .schema('client_mgmt')
      .from('projects')
      .update({ organization_id: mine })
      .gt('id', 0),
  )
  refused(
    `switching to organization ${mine}`,
    'PT404',
    await client.rpc('switch_organization', { organization_id: mine }),
  )

  const foreign = await refusalOf(client, sessionId)
  const absent = await refusalOf(client, randomUUID())
  report.check(
    'asking droid in the session: 404 session_not_found, word for word as for one that does not exist',
    foreign.startsWith('404 ') && foreign.includes('"session_not_found"') && foreign === absent,
    { foreign, absent, organization },
  )
}

async function refusalOf(client: DemoPerson['client'], sessionId: string): Promise<string> {
  const answer = await client.functions.invoke<unknown>('agents/invoke', {
    body: { agent: 'droid', session_id: sessionId, message: { content: 'Go on.' }, stream: false },
  })
  return answer.error === null ? `answered: ${describe(answer.data)}` : explain(answer.error)
}
