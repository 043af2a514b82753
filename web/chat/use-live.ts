import type { UIMessage } from 'ai'
import { watchSession } from 'colloquy/client'
import { useEffect, useRef } from 'react'
import { useBackend } from '../backend.ts'
import { signatureOf } from './signature-of.ts'

interface LiveChat {
  readonly status: string
  readonly messages: readonly UIMessage[]
  readonly setMessages: (messages: UIMessage[]) => void
  readonly resumeStream: () => Promise<void>
}

/**
 * Shows what happens to a conversation elsewhere: on another device of the person, or because a person
 * answers in place of the model.
 * @param isStored whether there is a conversation yet
 * @param onChanged told of each change: a person may have taken the conversation over
 */
export function useLive(
  id: string,
  organizationId: number,
  chat: LiveChat,
  isStored: boolean,
  onChanged: () => void,
): void {
  const { supabase, transport } = useBackend()
  const latest = useRef(chat)
  latest.current = chat
  const told = useRef(onChanged)
  told.current = onChanged
  useEffect(() => {
    if (!isStored) return
    const read = async () => {
      // While an answer is written here, and after one that failed, the page shows more than is stored.
      if (latest.current.status !== 'ready') return
      const stored = await transport.loadMessages(id)
      const { status, messages, setMessages, resumeStream } = latest.current
      if (status !== 'ready') return
      if (signatureOf(stored) !== signatureOf(messages)) setMessages(stored)
      if (stored.at(-1)?.role === 'user') await resumeStream()
    }
    return watchSession(supabase, organizationId, id, () => {
      told.current()
      // The next change reads again, and so does a reload.
      read().catch((error: unknown) => console.warn(error))
    })
  }, [supabase, transport, organizationId, id, isStored])
}
