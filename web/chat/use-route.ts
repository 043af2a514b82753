import { useHash } from '../use-hash.ts'

const conversation = /^#\/c\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

/** The conversation of the page's address. */
export function useRoute(): string | null {
  return conversation.exec(useHash())?.[1] ?? null
}

export function addressOf(id: string): string {
  return `#/c/${id}`
}

/** Opens a conversation, or none. */
export function goTo(id: string | null): void {
  location.hash = id === null ? '#/' : addressOf(id)
}
