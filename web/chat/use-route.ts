import { useSyncExternalStore } from 'react'

const conversation = /^#\/c\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

function subscribe(changed: () => void): () => void {
  addEventListener('hashchange', changed)
  return () => removeEventListener('hashchange', changed)
}

/** The conversation of the page's address, which stands behind `#`: a host serves one file. */
export function useRoute(): string | null {
  const hash = useSyncExternalStore(subscribe, () => location.hash)
  return conversation.exec(hash)?.[1] ?? null
}

export function addressOf(id: string): string {
  return `#/c/${id}`
}

/** Opens a conversation, or none. */
export function goTo(id: string | null): void {
  location.hash = id === null ? '#/' : addressOf(id)
}
