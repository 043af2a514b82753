import type { UIMessage } from 'ai'
import type { Connection } from './connection.ts'
import { signPaths } from './files.ts'
import type { MessageIds } from './identifiers.ts'
import { toUiParts, type ToolCallRow } from './to-ui-parts.ts'

/** What the metadata of an answer says. */
export interface ChatMetadata {
  /** The execution that wrote it: an approval names it. */
  readonly execution_id?: string
  /** The person who wrote it in place of a model; the name is null when the account is deleted. */
  readonly author?: { readonly type: 'person'; readonly name: string | null }
}

interface MessageRow {
  readonly id: string
  readonly parent_id: string | null
  readonly role: string
  readonly content: string
  readonly parts: readonly unknown[] | null
  readonly metadata: { readonly author?: { readonly name?: string } }
}

interface ExecutionRow {
  readonly id: string
  readonly status: string
  readonly finish_reason: string | null
  readonly response_message_id: string
}

interface Conversation {
  readonly current: string | null
  readonly messages: ReadonlyMap<string, MessageRow>
  readonly executions: readonly ExecutionRow[]
}

/** An execution that a question of a tool ended at once, or that a person answers, has no message of its own. */
const silent: ReadonlySet<string | null> = new Set(['tool_input_required', 'person_answers'])

/**
 * The messages of a session, as `useChat` shows them: those of its current branch. An answer that
 * went on after an approval is one message.
 * @param onUnread told of the execution whose answer the messages do not have yet
 * @returns no message for a session that does not exist yet
 */
export async function loadMessages(
  connection: Connection,
  sessionId: string,
  ids?: MessageIds,
  onUnread?: (executionId: string) => void,
): Promise<UIMessage<ChatMetadata>[]> {
  let read = await readConversation(connection, sessionId)
  // An answer was stored between the reads: the second time its message is there.
  if (read.current !== null && !read.messages.has(read.current)) {
    read = await readConversation(connection, sessionId)
  }
  const branch = branchOf(read)
  const writers = new Map(
    read.executions.map(({ id, response_message_id: answer }) => [answer, id]),
  )
  const last = read.executions.at(-1)
  const mayAnswer = last && answers.has(last.status) && !silent.has(last.finish_reason)
  const isUnread = mayAnswer && !read.messages.has(last.response_message_id)
  if (isUnread) onUnread?.(last.id)
  const [calls, addresses] = await Promise.all([
    callsOf(connection, branch, writers),
    signPaths(connection, branch.flatMap(pathsOf)),
  ])
  return toUiMessages(branch, writers, calls, addresses, ids)
}

/** The files of a message that stand in Storage. */
function pathsOf({ parts }: MessageRow): string[] {
  return ((parts ?? []) as readonly { path?: unknown }[]).flatMap(({ path }) =>
    typeof path === 'string' ? [path] : [],
  )
}

/** Statuses of an execution that has, or may get, an answer. */
const answers = new Set(['pending', 'running', 'success'])

async function readConversation(connection: Connection, sessionId: string): Promise<Conversation> {
  const [sessions, rows, executions] = await Promise.all([
    connection.rows<{ current_message_id: string | null }>(
      `chat_sessions?select=current_message_id&id=eq.${sessionId}`,
    ),
    connection.rows<MessageRow>(
      `chat_messages?select=id,parent_id,role,content,parts,metadata&session_id=eq.${sessionId}&order=created_at,id`,
    ),
    connection.rows<ExecutionRow>(
      `agent_executions?select=id,status,finish_reason,response_message_id&session_id=eq.${sessionId}&order=created_at,id`,
    ),
  ])
  const current = sessions[0]?.current_message_id ?? null
  return { current, messages: new Map(rows.map((row) => [row.id, row])), executions }
}

function branchOf({ current, messages }: Conversation): MessageRow[] {
  const branch: MessageRow[] = []
  for (let row = messages.get(current ?? ''); row; row = messages.get(row.parent_id ?? '')) {
    branch.unshift(row)
  }
  return branch
}

/** Executions of one read of tool calls: their ids stand in its address. */
const executionsAtOnce = 50

async function callsOf(
  connection: Connection,
  branch: readonly MessageRow[],
  writers: ReadonlyMap<string, string>,
): Promise<Map<string, ToolCallRow>> {
  const askers = branch.flatMap(({ id, parts }) =>
    JSON.stringify(parts).includes('"tool_call"') ? (writers.get(id) ?? []) : [],
  )
  const calls = new Map<string, ToolCallRow>()
  for (let from = 0; from < askers.length; from += executionsAtOnce) {
    const some = askers.slice(from, from + executionsAtOnce).join(',')
    const select =
      'execution_id,tool_call_id,server,tool,status,error_code,result,tool_elicitations(round,questions)'
    const rows = await connection.rows<ToolCallRow>(
      `tool_calls?select=${select}&execution_id=in.(${some})&order=execution_id,step,position`,
      'conversation',
    )
    for (const row of rows) calls.set(`${row.execution_id}/${row.tool_call_id}`, row)
  }
  return calls
}

function toUiMessages(
  branch: readonly MessageRow[],
  writers: ReadonlyMap<string, string>,
  calls: ReadonlyMap<string, ToolCallRow>,
  addresses: ReadonlyMap<string, string>,
  ids: MessageIds | undefined,
): UIMessage<ChatMetadata>[] {
  const messages: UIMessage<ChatMetadata>[] = []
  for (const row of branch) {
    const role = row.role === 'assistant' ? 'assistant' : 'user'
    const execution = writers.get(row.id)
    const callOf = (id: string) => calls.get(`${execution ?? ''}/${id}`)
    const parts = toUiParts(row.parts ?? [{ type: 'text', text: row.content }], callOf, addresses)
    const last = messages.at(-1)
    const metadata = metadataOf(row, execution)
    const isByPerson = metadata.author !== undefined || last?.metadata?.author !== undefined
    if (role === 'assistant' && last?.role === 'assistant' && !isByPerson) {
      // What follows continues from the last of them.
      ids?.replace(last.id, row.id)
      const own = parts.filter((part) => !isResultOf(last, part))
      messages[messages.length - 1] = { ...last, metadata, parts: [...last.parts, ...own] }
    } else {
      const isMarked = Object.keys(metadata).length > 0
      messages.push({ id: row.id, role, parts, ...(isMarked && { metadata }) })
    }
  }
  return messages
}

function metadataOf({ metadata }: MessageRow, execution: string | undefined): ChatMetadata {
  const { author } = metadata
  return {
    ...(execution !== undefined && { execution_id: execution }),
    ...(author && { author: { type: 'person', name: author.name ?? null } }),
  }
}

/** Whether a part repeats a call of the message before: there it has its result already. */
function isResultOf(message: UIMessage, part: UIMessage['parts'][number]): boolean {
  return (
    part.type === 'dynamic-tool' &&
    message.parts.some((one) => one.type === 'dynamic-tool' && one.toolCallId === part.toolCallId)
  )
}
