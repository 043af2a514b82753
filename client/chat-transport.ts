import type { ChatTransport, UIMessage, UIMessageChunk } from 'ai'
import { chatStream, executionOf, leave as leaveStream } from './chat-stream.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import type { Elicitation, ElicitationAnswer } from './elicitation.ts'
import { ColloquyError } from './error.ts'
import { uploadFile, type UploadedPart } from './files.ts'
import { Agents } from './functions.ts'
import { isUuid, MessageIds } from './identifiers.ts'
import type { InvokeSettings } from './invocation.ts'
import { loadMessages } from './load-messages.ts'
import { type Decided, decisionsOf, requestsOf } from './to-request.ts'
import { Turn } from './turn.ts'

type Chunks = ReadableStream<UIMessageChunk>
type SendOptions<Message extends UIMessage> = Parameters<ChatTransport<Message>['sendMessages']>[0]
type ReconnectOptions<Message extends UIMessage> = Parameters<
  ChatTransport<Message>['reconnectToStream']
>[0] & { readonly abortSignal?: AbortSignal }

export interface ChatTransportOptions extends ConnectionOptions {
  /** What each request sets: the agent, the model, the project. */
  readonly settings?: InvokeSettings
  /** Told of a failure that no call waits for: an answer that could not be stopped. */
  readonly onStopFailed?: (error: Error) => void
}

/**
 * The transport of `useChat` for the function `agents`. The chat's id is the session's id, a uuid:
 * then a reload, another tab and another device show the same conversation.
 */
export class ColloquyChatTransport<
  Message extends UIMessage = UIMessage,
> implements ChatTransport<Message> {
  /** A stream that is taken up again begins with its first chunk. */
  readonly resumeStreamIsReplay = true
  readonly #options: ChatTransportOptions
  readonly #connection: Connection
  readonly #agents: Agents
  readonly #ids = new MessageIds()
  /** Stops that are under way, by chat: the next request waits for them. */
  readonly #stopping = new Map<string, Promise<void>>()
  /** Counts the attempts to resume, by chat. */
  readonly #resumed = new Map<string, number>()
  /** The execution whose answer a chat has not read to its end, by chat. */
  readonly #unread = new Map<string, string>()
  /** The request that each chat made last. */
  readonly #turns = new Map<string, Turn>()
  /** Chats whose session was there once: one that is gone was deleted, and is not made again. */
  readonly #stored = new Set<string>()

  constructor(options: ChatTransportOptions) {
    if (typeof ReadableStream === 'undefined') {
      throw new Error(
        'The chat needs ReadableStream, which this runtime lacks: import a polyfill first.',
      )
    }
    this.#options = options
    this.#connection = new Connection(options)
    this.#agents = new Agents(this.#connection)
  }

  /** The stored messages of a chat, for `useChat({ messages })` or `setMessages()`. */
  async loadMessages(chatId: string): Promise<Message[]> {
    const onUnread = (execution: string) => void this.#unread.set(chatId, execution)
    const messages = await loadMessages(this.#connection, chatId, this.#ids, onUnread)
    if (messages.length > 0) this.#stored.add(chatId)
    return messages as unknown as Message[]
  }

  async sendMessages(options: SendOptions<Message>): Promise<Chunks> {
    const { chatId, messages, messageId, trigger } = options
    if (!isUuid(chatId)) {
      throw new ColloquyError('invalid_request', 'The id of a chat must be a uuid.', { path: 'id' })
    }
    const answer = messages.find(({ id }) => id === messageId) ?? messages.at(-1)
    const decides = trigger === 'submit-message' && answer && decisionsOf(answer).length > 0
    // Another answer, or one to other words, takes the place of the answer that is being written.
    const replaces = !decides && (trigger === 'regenerate-message' || messageId !== undefined)
    const leave = replaces ? this.#turns.get(chatId)?.giveWay() : undefined
    const turn = this.#begin(chatId, options.abortSignal)
    try {
      // A stop is noted in the next microtask.
      await Promise.resolve()
      await this.#stopping.get(chatId)
      if (decides) return await this.#continue(chatId, answer, turn)
      const response = await turn.unlessStopped(
        () => this.#invoke(options),
        (opening) => this.#stop(chatId, opening.then(leaveStream)),
      )
      return this.#stream(chatId, response, turn)
    } finally {
      await leave?.()
    }
  }

  async reconnectToStream({
    chatId,
    abortSignal,
  }: ReconnectOptions<Message>): Promise<Chunks | null> {
    const resumed = (this.#resumed.get(chatId) ?? 0) + 1
    this.#resumed.set(chatId, resumed)
    if (!isUuid(chatId)) return null
    const running = await this.#connection.rows<{ id: string }>(
      `agent_executions?select=id&session_id=eq.${chatId}&status=in.(pending,running)&order=created_at.desc`,
    )
    // It may have ended since it was seen running: its answer is still to be read.
    const executionId = running[0]?.id ?? this.#unread.get(chatId)
    if (executionId === undefined) return null
    this.#unread.set(chatId, executionId)
    const response = await this.#agents.follow(executionId)
    const isLatest = this.#resumed.get(chatId) === resumed
    const turn = isLatest ? this.#begin(chatId, abortSignal) : new Turn(abortSignal)
    return this.#stream(chatId, response, turn, { executionId, resumed })
  }

  /**
   * Answers what a tool asked, `data` of a part `data-elicitation`; `resumeStream()` of the chat then shows
   * how the answer goes on.
   */
  async answer(
    chatId: string,
    asked: Elicitation,
    answers: Readonly<Record<string, ElicitationAnswer>>,
  ): Promise<void> {
    const { execution_id: continued } = await this.#agents.answer(asked, answers)
    if (continued !== null) this.#unread.set(chatId, continued)
  }

  /**
   * Uploads a file into a chat, whose session is made when it is absent, for `sendMessage({ files: [part] })`.
   * @throws ColloquyError with Storage's reason, such as `file_type_not_allowed`
   */
  async upload(chatId: string, file: File): Promise<UploadedPart> {
    await this.#createSession(chatId)
    const [session] = await this.#connection.rows<{ organization_id: number }>(
      `chat_sessions?select=organization_id&id=eq.${chatId}`,
    )
    if (!session) throw new ColloquyError('session_not_found', 'The caller sees no such session.')
    return uploadFile(this.#connection, session.organization_id, chatId, file)
  }

  /** Rates an answer; a person has one rating per answer, and null removes it. */
  async rate(messageId: string, rating: 'up' | 'down' | null, comment?: string): Promise<void> {
    const body = { message_id: this.#ids.assign(messageId), rating, comment }
    await this.#connection.request('rest/v1/rpc/rate_message', { body })
  }

  /** Sends what `useChat` asks for; a request whose target is not stored becomes the next best. */
  async #invoke(options: SendOptions<Message>): Promise<Response> {
    const { chatId, body, headers } = options
    const settings = { ...this.#options.settings, ...(body as InvokeSettings | undefined) }
    const { trigger, messageId, messages } = options
    let isNew = messages.length === 1 && trigger === 'submit-message' && messageId === undefined
    const requests = requestsOf(this.#ids, options)
    for (let next = 0; ;) {
      if (isNew) await this.#createSession(chatId)
      try {
        // What another tab asked for is answered first: a person does not see a refusal.
        const common = { on_busy: 'queue' as const, ...settings, session_id: chatId }
        return await this.#agents.stream(
          { ...common, ...requests[next] },
          headers && Object.fromEntries(new Headers(headers)),
        )
      } catch (error) {
        const code = error instanceof ColloquyError ? error.code : null
        const isAbsent = code === 'session_not_found' && !isNew && !this.#stored.has(chatId)
        if (isAbsent) isNew = true
        else if (isNotStored(code) && next < requests.length - 1) next += 1
        else throw error
      }
    }
  }

  /** Decides on the tool calls of an answer, and reads the execution that continues it. */
  async #continue(chatId: string, answer: Message, turn: Turn): Promise<Chunks> {
    const { execution_id: asked } = (answer.metadata ?? {}) as { execution_id?: string }
    if (asked === undefined) {
      throw new ColloquyError('invalid_request', 'The answer does not name its execution.')
    }
    const { continued, refused } = await this.#decide(asked, decisionsOf(answer))
    if (continued === null) {
      if (refused) throw refused
      return new ReadableStream({ start: (stream) => stream.close() })
    }
    const response = await this.#agents.follow(continued)
    return this.#stream(chatId, response, turn, {
      executionId: continued,
      ...(refused && { refused }),
      // What follows continues from there.
      onMessageId: (id) => this.#ids.replace(answer.id, id),
    })
  }

  /**
   * Decides on calls. On those on which another device has decided otherwise, its decision stands.
   * @returns the execution that continues, and the error that tells of the other decision
   */
  async #decide(asked: string, decisions: readonly Decided[]): Promise<Continued> {
    let continued: string | null = null
    let refused: ColloquyError | null = null
    for (const { toolCallId, decision } of decisions) {
      try {
        continued = (await this.#agents.decide(asked, toolCallId, decision)).execution_id
      } catch (error) {
        if (!(error instanceof ColloquyError) || error.code !== 'tool_call_decided') throw error
        refused = error
      }
    }
    if (refused) {
      const [row] = await this.#connection.rows<{ id: string }>(
        `agent_executions?select=id&metadata->>continues=eq.${asked}&order=created_at.desc&limit=1`,
      )
      continued ??= row?.id ?? null
    }
    return { continued, refused }
  }

  #begin(chatId: string, stopped: AbortSignal | undefined): Turn {
    const turn = new Turn(stopped)
    this.#turns.set(chatId, turn)
    return turn
  }

  async #createSession(id: string): Promise<void> {
    try {
      await this.#connection.request('rest/v1/chat_sessions', {
        body: { id },
        headers: { prefer: 'return=minimal' },
      })
    } catch (error) {
      // An attempt before this one has made it.
      const isThere = error instanceof ColloquyError && error.details.status === 409
      if (!isThere) throw error
    }
  }

  #stream(
    chatId: string,
    response: Response,
    turn: Turn,
    {
      executionId = executionOf(response),
      resumed = this.#resumed.get(chatId),
      ...continuation
    }: Continuation = {},
  ): Chunks {
    const onAbort = () => {
      // A second attempt to resume ends the first one and goes on reading the same answer.
      queueMicrotask(() => {
        if (this.#resumed.get(chatId) !== resumed) return
        onEnd()
        this.#stop(chatId, Promise.resolve(executionId))
      })
    }
    const onEnd = () => {
      if (this.#unread.get(chatId) === executionId) this.#unread.delete(chatId)
      if (this.#turns.get(chatId) === turn) this.#turns.delete(chatId)
    }
    this.#unread.set(chatId, executionId)
    this.#stored.add(chatId)
    const stream = { agents: this.#agents, executionId, turn, onAbort, onEnd }
    return chatStream(response, { ...stream, ...continuation })
  }

  #stop(chatId: string, execution: Promise<string>): void {
    const stopping = execution
      .then((id) => this.#agents.cancel(id))
      .catch((error: unknown) => this.#options.onStopFailed?.(error as Error))
    this.#stopping.set(chatId, stopping)
    void stopping.finally(() => {
      if (this.#stopping.get(chatId) === stopping) this.#stopping.delete(chatId)
    })
  }
}

interface Continuation {
  readonly executionId?: string
  /** How often the chat was taken up when the request began. */
  readonly resumed?: number | undefined
  readonly onMessageId?: (id: string) => void
  readonly refused?: ColloquyError
}

interface Continued {
  readonly continued: string | null
  readonly refused: ColloquyError | null
}

function isNotStored(code: string | null): boolean {
  return code === 'message_not_found' || code === 'parent_not_found'
}
