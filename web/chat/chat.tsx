import { useChat } from '@ai-sdk/react'
import { lastAssistantMessageIsCompleteWithApprovalResponses, type UIMessage } from 'ai'
import { useRef, useState } from 'react'
import { useBackend } from '../backend.ts'
import { explain } from '../explain.ts'
import { IconButton } from '../icon.tsx'
import { Notice } from '../notice.tsx'
import type { MessageActions } from './actions.ts'
import { AgentPicker, type Choice } from './agent-picker.tsx'
import { Composer } from './composer.tsx'
import type { ConversationProps } from './conversation.tsx'
import { Message } from './message.tsx'
import { useBranches } from './use-branches.ts'
import { useFollow } from './use-follow.ts'
import { useLive } from './use-live.ts'
import { useRatings } from './use-ratings.ts'

interface ChatProps extends Omit<ConversationProps, 'isNew'> {
  readonly stored: UIMessage[]
}

/** One conversation: `useChat` over the transport of `client/`. */
export function Chat(props: ChatProps) {
  const { id, stored, agents, agentId, organizationId, isOwn, isHandled, onSent, onChanged } = props
  const { transport } = useBackend()
  const [choice, setChoice] = useState<Choice>({})
  const follow = useFollow()
  const ratings = useRatings(id, stored.length > 0)
  const chat = useChat({
    id,
    messages: stored,
    transport,
    // The messages keep their ids when they are read again.
    generateId: () => crypto.randomUUID(),
    // An answer that is still being written goes on after a reload.
    resume: stored.length > 0,
    // A page that draws each chunk by itself has no time left for the person.
    experimental_throttle: 50,
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
    onFinish: onChanged,
  })
  const { messages, status, error } = chat
  const isBusy = status === 'submitted' || status === 'streaming'
  const options = { body: choice }
  useLive(id, organizationId, chat, messages.length > 0, onChanged)
  const settled = isBusy || messages.length === 0 ? null : (messages.at(-1)?.id ?? null)
  const branches = useBranches(id, settled, chat.setMessages)

  const send = (message: Parameters<typeof chat.sendMessage>[0]) => {
    onSent()
    follow.toEnd()
    void chat.sendMessage(message, options)
  }
  const latestStatus = useRef(status)
  latestStatus.current = status
  const goOn = async () => {
    await chat.resumeStream()
    // What goes on after a question belongs to the message that asked.
    const read = await transport.loadMessages(id)
    if (latestStatus.current === 'ready') chat.setMessages(read)
  }
  const latest: MessageActions = {
    onEdit: ({ id: messageId, parts }, text) => {
      send({ text, files: parts.filter((part) => part.type === 'file'), messageId })
    },
    onRegenerate: (messageId) => void chat.regenerate({ messageId, ...options }),
    onAnswer: async (asked, answers) => {
      await transport.answer(id, asked, answers)
      // A reload reads again.
      goOn().catch((error: unknown) => console.warn(error))
    },
    onDecide: (call, approved) => void chat.addToolApprovalResponse({ id: call, approved }),
    onRate: ratings.rate,
    onShowBranch: branches.show,
  }
  const actions = useRef(latest)
  actions.current = latest

  return (
    <>
      <div className="scroll" ref={follow.box} onScroll={follow.onScroll}>
        <div className="messages" ref={follow.content} data-status={status}>
          {messages.length === 0 && <p className="empty">Ask something.</p>}
          {messages.map((message, index) => (
            <Message
              key={message.id}
              message={message}
              isStreaming={isBusy && index === messages.length - 1}
              isLast={index === messages.length - 1}
              rating={ratings.of.get(message.id) ?? null}
              branch={branches.of.get(message.id) ?? null}
              isWritable={isOwn}
              actions={actions}
            />
          ))}
          {status === 'submitted' && <p className="waiting">Waiting for the answer …</p>}
          {error && (
            <Notice
              text={explain(error)}
              action="Try again"
              onAction={() => void chat.regenerate(options)}
            />
          )}
          {ratings.problem !== null && <Notice text={ratings.problem} />}
          {branches.problem !== null && <Notice text={branches.problem} />}
        </div>
      </div>
      {!follow.isAtEnd && (
        <IconButton icon="down" label="Go to the end" className="to-end" onClick={follow.toEnd} />
      )}
      <p className="spoken" role="status">
        {isBusy ? 'The answer is being written.' : messages.length > 0 ? 'Ready.' : ''}
      </p>
      {isHandled && <p className="hint shared">A person answers here in place of the model.</p>}
      {isOwn ? (
        <Composer
          sessionId={id}
          isBusy={isBusy}
          onSend={(text, files) => send(text.trim() === '' ? { files } : { text, files })}
          onStop={() => void chat.stop()}
        >
          <AgentPicker agents={agents} agentId={agentId} choice={choice} onChoose={setChoice} />
        </Composer>
      ) : (
        <p className="hint shared">
          A colleague shares this conversation. Only its owner writes in it.
        </p>
      )}
    </>
  )
}
