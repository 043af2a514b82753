import '../style/console.css'
import { watchSessionsToAnswer } from 'colloquy/client'
import { useEffect } from 'react'
import type { Membership } from '../account/use-account.ts'
import { dataOf, useBackend } from '../backend.ts'
import { Notice, Waiting } from '../notice.tsx'
import { useRead } from '../pieces/use-read.ts'
import { time } from '../pieces/write.ts'
import { Shell } from '../shell.tsx'
import { useHash } from '../use-hash.ts'
import { Answering } from './answering.tsx'

interface SupportProps {
  /** The id of the person. */
  readonly user: string
  readonly organization: Membership
}

/** The conversations that wait for a person, the longest wait first, and those that the person has. */
export function Support({ user, organization }: SupportProps) {
  const { supabase } = useBackend()
  const id = /^#\/answers\/([0-9a-f-]{36})$/.exec(useHash())?.[1]
  const may = organization.permissions.includes('sessions.answer')
  const { organization_id: organizationId } = organization
  const { data, problem, reload } = useRead(async () => {
    if (!may) return []
    const [waiting, own] = await Promise.all([
      supabase.rpc('sessions_to_answer', { max_rows: 100 }).then(dataOf),
      supabase
        .from('chat_sessions')
        .select('id, title')
        .eq('handled_by', user)
        .eq('status', 'active')
        .order('last_message_at', { ascending: false })
        .limit(100)
        .then(dataOf),
    ])
    const rows = waiting.map((one) => ({
      id: one.session_id,
      title: one.title,
      said: one.message,
      since: time(one.waiting_since),
      isOwn: one.handled_by === user,
    }))
    const others = own.filter((one) => !rows.some((row) => row.id === one.id))
    return [...rows, ...others.map((one) => ({ ...one, said: '', since: null, isOwn: true }))]
  })
  useEffect(() => {
    return may ? watchSessionsToAnswer(supabase, organizationId, reload) : undefined
  }, [supabase, organizationId, may, reload])

  return (
    <Shell
      title="Waiting conversations"
      part="conversation"
      side="Queue"
      shown={id ?? ''}
      nav={() => (
        <nav className="sidebar" aria-label="Queue">
          <bdi>{organization.name}</bdi>
          <div className="sessions nav-links">
            {problem !== null && <Notice text={problem} action="Try again" onAction={reload} />}
            {data === undefined && problem === null && <Waiting />}
            {data?.length === 0 && <p className="hint">No conversation waits.</p>}
            {data?.map((one) => (
              <a
                key={one.id}
                className="queued"
                href={`#/answers/${one.id}`}
                aria-current={one.id === id ? 'page' : undefined}
              >
                <bdi>{one.title ?? 'Untitled'}</bdi>
                <span className="hint" dir="auto">
                  {one.said}
                </span>
                <span className="tag">
                  {one.since !== null && `waits since ${one.since}`}
                  {one.isOwn && ' yours'}
                </span>
              </a>
            ))}
          </div>
          <div className="foot">
            <a href="#/">Conversations</a>
          </div>
        </nav>
      )}
    >
      {!may ? (
        <Notice text="You may not answer customers. Ask an owner or administrator of the organization." />
      ) : id === undefined ? (
        <p className="empty">Choose a conversation.</p>
      ) : (
        <Answering
          key={id}
          id={id}
          user={user}
          organizationId={organizationId}
          onChanged={reload}
        />
      )}
    </Shell>
  )
}
