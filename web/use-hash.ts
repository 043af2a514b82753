import { useSyncExternalStore } from 'react'

function subscribe(changed: () => void): () => void {
  addEventListener('hashchange', changed)
  return () => removeEventListener('hashchange', changed)
}

/** What stands behind `#` in the page's address: a host serves one file. */
export function useHash(): string {
  return useSyncExternalStore(subscribe, () => location.hash)
}
