import { randomUUID } from 'node:crypto'
import {
  AbstractChat,
  type ChatInit,
  type ChatState,
  type ChatStatus,
  lastAssistantMessageIsCompleteWithApprovalResponses,
  type UIMessage,
} from 'ai'
import { ColloquyChatTransport } from '../../../client/index.ts'
import { accessToken, type Person } from '../people/people.ts'
import { useStack } from '../stack/stack.ts'

/** What `useChat` keeps in React's state. */
class PlainState implements ChatState<UIMessage> {
  status: ChatStatus = 'ready'
  error: Error | undefined
  messages: UIMessage[] = []
  pushMessage = (message: UIMessage) => void (this.messages = this.messages.concat(message))
  popMessage = () => void (this.messages = this.messages.slice(0, -1))
  replaceMessage = (index: number, message: UIMessage) =>
    void (this.messages = this.messages.with(index, structuredClone(message)))
  snapshot = <Value>(value: Value) => structuredClone(value)
}

/** The chat inside `useChat`, without React. */
export class PlainChat extends AbstractChat<UIMessage> {
  constructor(init: ChatInit<UIMessage>) {
    super({ ...init, state: new PlainState() })
  }

  /** The text of a message, or of the last one. */
  text(index = -1): string {
    const parts = this.messages.at(index)?.parts ?? []
    return parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
  }
}

/** The address that a `fetch` was given. */
export function urlOf(target: Parameters<typeof fetch>[0]): string {
  return target instanceof Request ? target.url : target.toString()
}

export interface Device {
  readonly chat: PlainChat
  readonly transport: ColloquyChatTransport
  /** Paths of the requests that it sent, with their methods. */
  readonly sent: string[]
}

/**
 * One device with a chat: `useChat` over the transport of client/.
 * @param functions address of the function `agents`; else that of the stack
 * @param send replaces `fetch`
 */
export function openDevice(
  person: Person,
  {
    id = randomUUID(),
    agent,
    functions,
    send = fetch,
  }: {
    readonly id?: string
    readonly agent?: string
    readonly functions?: string
    readonly send?: typeof fetch
  } = {},
): Device {
  const { url, publishableKey } = useStack()
  const sent: string[] = []
  const transport = new ColloquyChatTransport({
    url,
    publishableKey,
    accessToken: () => accessToken(person),
    settings: { ...(agent !== undefined && { agent }) },
    onStopFailed(error) {
      throw error
    },
    fetch: async (target, init) => {
      const address = urlOf(target)
      sent.push(`${init?.method ?? ''} ${new URL(address).pathname}`)
      const own = functions && address.replace(`${url}/functions/v1/agents`, functions)
      return send(own ?? address, init)
    },
  })
  const chat = new PlainChat({
    id,
    transport,
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  })
  return { chat, transport, sent }
}
