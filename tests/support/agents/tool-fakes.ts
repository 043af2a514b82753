import type { Admin } from '../../../supabase/functions/_shared/database.ts'
import type { LogEntry } from '../../../supabase/functions/_shared/log/log.ts'
import type {
  ListedTool,
  ServerEra,
  ServerListing,
  ToolOutcome,
  ToolServer,
} from '../../../supabase/functions/_shared/tools/tool-server.ts'

/** A database that answers functions by name and records every call. */
export function fakeAdmin(answers: Record<string, (args: never) => unknown> = {}) {
  const calls: { name: string; args: Record<string, unknown> }[] = []
  const admin = {
    role: 'service_role',
    call: async (name: string, args: Record<string, unknown>): Promise<unknown> => {
      calls.push({ name, args })
      return answers[name]?.(args as never)
    },
  } as Admin
  return {
    admin,
    calls,
    argsOf: (name: string) => calls.filter((c) => c.name === name).map((c) => c.args),
  }
}

export const listed = (name: string, policy: 'auto' | 'ask' = 'auto'): ListedTool => ({
  name,
  definition: { name, description: `Does ${name}`, input_schema: { type: 'object' } },
  definition_hash: `hash of ${name}`,
  policy,
})

export const succeeded = (text: string): ToolOutcome => ({
  status: 'success',
  result: { text, content: [{ type: 'text', text }], truncated: false },
})

/** A server in memory. */
export function fakeServer(changes: Partial<ToolServer> = {}): ToolServer {
  const listing: ServerListing & { era: ServerEra } = {
    tools: [],
    refused: [],
    incomplete: null,
    ttl: 60,
    era: 'older',
  }
  return {
    list: () => Promise.resolve(listing),
    call: () => Promise.resolve(succeeded('done')),
    reached: () => null,
    close: () => Promise.resolve(),
    ...changes,
  }
}

export function fakeLog() {
  const entries: LogEntry[] = []
  return { entries, log: (entry: LogEntry) => void entries.push(entry) }
}
