import type { Sql } from 'postgres'
import { readEvents } from '../../support/agents/agents-fixture.ts'
import { answerOf, eventsOf } from '../../support/agents/chat-stream.ts'
import { callAgents } from '../talk.ts'
import type { Asked, World } from '../world.ts'
import type { Finding } from './invariant.ts'

interface ExecutionRow {
  id: string
  status: string
  error_code: string | null
  content: string | null
}

const ends: Record<string, string> = { success: 'finish', failed: 'error', cancelled: 'abort' }
const readers = 6

/** Reads every stream once more: one terminal event, the stored end, and the bytes that clients got. */
export async function checkStreams(sql: Sql, world: World): Promise<Finding[]> {
  const rows = await sql<ExecutionRow[]>`
    select x.id, x.status, x.error_code, m.content
    from public.agent_executions x
    left join public.chat_messages m
      on m.organization_id = x.organization_id and m.id = x.response_message_id`
  const left = rows.flatMap((row): [ExecutionRow, Asked][] => {
    const asked = world.executionsOf.get(row.id)
    // Of a removed member nothing can be read; the database was asked about those.
    return asked !== undefined && world.clients.includes(asked.by) ? [[row, asked]] : []
  })
  const terminal: string[] = []
  const bytes: string[] = []
  const contents: string[] = []
  let received = 0
  const readAll = async () => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const [row, asked] = next
      const text = await readAgain(world, asked)
      terminal.push(...findTerminalProblems(row, text))
      received += asked.streams.size + asked.answers.size
      bytes.push(...findByteProblems(row, asked, text))
      contents.push(...findContentProblems(row, asked))
    }
  }
  const count = left.length
  await Promise.all(Array.from({ length: readers }, readAll))
  return [
    {
      name: 'one terminal event per stream',
      checked: `${count} streams read again`,
      wrong: terminal,
    },
    {
      name: 'the bytes that clients received',
      checked: `${received} received whole`,
      wrong: bytes,
    },
    { name: 'the answer that was acknowledged', checked: `${received} answers`, wrong: contents },
  ]
}

async function readAgain(world: World, { by, executionId }: Asked): Promise<string> {
  const response = await callAgents(world, by, `executions/${executionId}/stream`, {
    method: 'GET',
  })
  const text = (await response?.text()) ?? ''
  return response?.ok === true ? text : `${response?.status} ${text}`
}

function findTerminalProblems({ id, status }: ExecutionRow, text: string): string[] {
  if (!text.startsWith('id: ') && !text.startsWith(':')) return [`${id}: ${text.slice(0, 200)}`]
  const events = readEvents(text).map(({ data }) => (typeof data === 'string' ? data : data.type))
  const terminal = events.filter((type) => Object.values(ends).includes(String(type)))
  const isRight = terminal.length === 1 && terminal[0] === ends[status]
  if (isRight && events.at(-1) === '[DONE]' && events.at(-2) === terminal[0]) return []
  return [`${id} is ${status}, its stream ends ${events.slice(-3).join(' ')}`]
}

/**
 * What a worker sent and could not store is lost, and only that: such a stream is what is stored,
 * then something more, then the same end. A worker that outlived its lease numbers the end from
 * what it sent; a reader numbers it from what is stored.
 */
function findByteProblems(row: ExecutionRow, { streams }: Asked, text: string): string[] {
  const again = eventsOf(text)
  return [...streams].flatMap((stream) => {
    if (stream === again) return []
    if (row.error_code === 'interrupted' && isWithMore(stream, again)) return []
    return [`${row.id} (${row.status} ${row.error_code}): ${difference(stream, again)}`]
  })
}

function isWithMore(stream: string, again: string): boolean {
  const end = again.indexOf('id: 1000')
  if (end === -1 || !stream.startsWith(again.slice(0, end))) return false
  const [ours, theirs] = [stream, again].map((text) => text.match(/^data: .*$/gm)?.slice(-2))
  return theirs?.length === 2 && ours?.join() === theirs.join()
}

function difference(stream: string, again: string): string {
  let at = 0
  while (at < stream.length && stream[at] === again[at]) at += 1
  const show = (text: string) =>
    `${JSON.stringify(text.slice(Math.max(at - 40, 0), at + 90))}…${JSON.stringify(text.slice(-90))}`
  return `received ${show(stream)}, now ${show(again)}`
}

/** A success that a client saw is a success for ever, with the same text. */
function findContentProblems(row: ExecutionRow, { streams, answers }: Asked): string[] {
  const wrong: string[] = []
  for (const stream of streams) {
    if (!/^data: \{"type":"finish"/m.test(stream)) continue
    if (row.status !== 'success') wrong.push(`${row.id} was a success, is ${row.status}`)
    if (row.content !== answerOf(stream)) wrong.push(`${row.id} reads ${row.content} now`)
  }
  for (const answer of answers) {
    const { message } = JSON.parse(answer) as { message: { content: string } | null }
    if (row.status !== 'success') wrong.push(`${row.id} was answered, is ${row.status}`)
    if (row.content !== message?.content) wrong.push(`${row.id} reads ${row.content} now`)
  }
  return wrong
}
