/** What is needed of a channel of supabase-js. */
export interface LiveChannel {
  on(type: 'broadcast', filter: { event: string }, heard: () => void): LiveChannel
  subscribe(told: (state: string) => void): LiveChannel
}

/** What is needed of a client of supabase-js. */
export interface LiveClient {
  channel(topic: string, options: { config: { private: boolean } }): LiveChannel
  removeChannel(channel: LiveChannel): Promise<unknown>
}

/** Milliseconds after which a message's second is over, and what it stands for is stored. */
const settled = 2_000

/**
 * Calls `read` when a conversation may have changed: when its channel is joined, also again after a
 * lost connection, when a message comes, and once more two seconds later.
 * @returns stops it
 */
export function watchSession(
  supabase: LiveClient,
  organizationId: number,
  sessionId: string,
  read: () => void,
): () => void {
  return watch(supabase, `session:${organizationId}:${sessionId}`, 'session_changed', read)
}

/**
 * Calls `read` when `sessions_to_answer()` may have changed, in the same way. For members with the permission
 * `sessions.answer`.
 * @returns stops it
 */
export function watchSessionsToAnswer(
  supabase: LiveClient,
  organizationId: number,
  read: () => void,
): () => void {
  return watch(supabase, `organization:${organizationId}:answers`, 'session.needs_answer', read)
}

function watch(supabase: LiveClient, topic: string, event: string, read: () => void): () => void {
  let again: ReturnType<typeof setTimeout> | undefined
  const changed = () => {
    clearTimeout(again)
    again = setTimeout(read, settled)
    read()
  }
  const channel = supabase
    .channel(topic, { config: { private: true } })
    .on('broadcast', { event }, changed)
    .subscribe((state) => {
      if (state === 'SUBSCRIBED') changed()
    })
  return () => {
    clearTimeout(again)
    void supabase.removeChannel(channel)
  }
}
