import type { ServerEra, ToolServerKey } from '../tool-server.ts'

export interface ServerMemory {
  recall(key: ToolServerKey): ServerEra | undefined
  remember(key: ToolServerKey, era: ServerEra): void
  forget(key: ToolServerKey): void
}

const most = 500
/** A server may be replaced by a newer one at its address. */
const lifetime = 600_000

/** What a worker remembers of servers, so that it asks them once; bounded, the oldest go first. */
export function createServerMemory(now: () => number): ServerMemory {
  const eras = new Map<string, { readonly era: ServerEra; readonly until: number }>()
  return {
    recall(key) {
      const held = eras.get(nameOf(key))
      return held && held.until > now() ? held.era : undefined
    },
    remember(key, era) {
      const name = nameOf(key)
      const held = eras.get(name)
      if (held?.era === era && held.until > now()) return
      eras.delete(name)
      eras.set(name, { era, until: now() + lifetime })
      for (const oldest of eras.keys()) {
        if (eras.size <= most) break
        eras.delete(oldest)
      }
    },
    forget: (key) => void eras.delete(nameOf(key)),
  }
}

/** One configuration of one organization: what one learns is nothing to another. */
function nameOf({ organizationId, configurationId, endpoint }: ToolServerKey): string {
  return `${organizationId} ${configurationId} ${endpoint}`
}
