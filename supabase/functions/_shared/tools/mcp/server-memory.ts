import type { Clock } from '../../time.ts'
import type { ServerEra, ToolServerKey } from '../tool-server.ts'

export interface ServerMemory {
  recall(key: ToolServerKey): ServerEra | undefined
  remember(key: ToolServerKey, era: ServerEra): void
  forget(key: ToolServerKey): void
  /** The server was silent: until its pause ends, it costs no further wait. */
  pause(key: ToolServerKey): void
  /** Milliseconds that are left of the server's pause; 0: none. */
  pausedFor(key: ToolServerKey): number
}

const most = 500
/** A server may be replaced by a newer one at its address. */
const lifetime = 600_000
const pause = 30_000

/** What a worker remembers of servers, so that it asks them once; bounded, the oldest go first. */
export function createServerMemory(clock: Clock): ServerMemory {
  const eras = new Map<string, { readonly era: ServerEra; readonly until: number }>()
  const pauses = new Map<string, number>()
  return {
    recall(key) {
      const held = eras.get(nameOf(key))
      return held && held.until > clock.now() ? held.era : undefined
    },
    remember(key, era) {
      const name = nameOf(key)
      const held = eras.get(name)
      if (held?.era === era && held.until > clock.now()) return
      eras.delete(name)
      eras.set(name, { era, until: clock.now() + lifetime })
      for (const oldest of eras.keys()) {
        if (eras.size <= most) break
        eras.delete(oldest)
      }
    },
    pause(key) {
      pauses.set(nameOf(key), clock.now() + pause)
      for (const oldest of pauses.keys()) {
        if (pauses.size <= most) break
        pauses.delete(oldest)
      }
    },
    pausedFor: (key) => Math.max(0, (pauses.get(nameOf(key)) ?? 0) - clock.now()),
    forget: (key) => void eras.delete(nameOf(key)),
  }
}

/** One configuration of one organization: what one learns is nothing to another. */
function nameOf({ organizationId, configurationId, endpoint }: ToolServerKey): string {
  return `${organizationId} ${configurationId} ${endpoint}`
}
