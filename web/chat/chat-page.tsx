import { useState } from 'react'
import type { Account, Membership } from '../account/use-account.ts'
import { Shell } from '../shell.tsx'
import { Conversation } from './conversation.tsx'
import { SessionMenu } from './session-menu.tsx'
import { Sidebar } from './sidebar.tsx'
import { useAgents } from './use-agents.ts'
import { addressOf, goTo, useRoute } from './use-route.ts'
import { useSessions } from './use-sessions.ts'

interface ChatPageProps {
  readonly account: Account
  readonly organization: Membership
  readonly onJoin: () => void
}

/** The list of conversations, and one of them. */
export function ChatPage({ account, organization, onJoin }: ChatPageProps) {
  const route = useRoute()
  const [draft, setDraft] = useState(() => crypto.randomUUID() as string)
  const sessions = useSessions()
  const agents = useAgents()
  const id = route ?? draft
  const session = sessions.list?.find((one) => one.id === id)
  const title = session?.title ?? (id === draft ? 'New conversation' : 'Conversation')

  return (
    <Shell
      title={title}
      part="conversation"
      side="Conversations"
      shown={id}
      nav={(close) => (
        <Sidebar
          account={account}
          organization={organization}
          sessions={sessions}
          current={id}
          onJoin={onJoin}
          onNew={() => {
            setDraft(crypto.randomUUID())
            goTo(null)
            close()
          }}
        />
      )}
      actions={
        session && (
          <SessionMenu
            key={id}
            session={session}
            isOwn={session.user_id === account.user.id}
            onChanged={sessions.reload}
          />
        )
      }
    >
      <Conversation
        key={id}
        id={id}
        isNew={id === draft}
        agents={agents}
        agentId={session?.agent_id ?? null}
        organizationId={organization.organization_id}
        isOwn={session === undefined || session.user_id === account.user.id}
        isHandled={session !== undefined && session.handled_by !== null}
        onSent={() => {
          if (route === id) return
          // A reload then finds what was said. The next new conversation has an id of its own.
          history.replaceState(null, '', addressOf(id))
          setDraft(crypto.randomUUID())
        }}
        onChanged={sessions.reload}
      />
    </Shell>
  )
}
