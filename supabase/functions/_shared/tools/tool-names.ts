/** Characters that every provider takes in the name of a function: OpenAI's rule, and Gemini's first letter. */
const accepted = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/
const maxLength = 64

export interface NamedTool {
  /** Name of the configuration. */
  readonly server: string
  readonly tool: string
}

/**
 * The names of tools for a model: `server__tool`. When a provider would refuse that name, or it
 * could be another server's tool, a hash of both replaces a part of it. So a name depends on its
 * tool only. When two tools still get one name, the first by server and tool has it, and the other
 * has none.
 */
export async function nameTools<Tool extends NamedTool>(
  tools: readonly Tool[],
): Promise<Map<string, Tool>> {
  const sorted = [...tools].sort((a, b) => compare(a.server, b.server) || compare(a.tool, b.tool))
  const named = new Map<string, Tool>()
  for (const tool of sorted) {
    const name = await nameOf(tool)
    if (!named.has(name)) named.set(name, tool)
  }
  return named
}

async function nameOf({ server, tool }: NamedTool): Promise<string> {
  const plain = `${server}__${tool}`
  const ambiguous = server.includes('__') || server.endsWith('_') || tool.startsWith('_')
  if (accepted.test(plain) && !ambiguous) return plain
  const readable = plain.replace(/[^A-Za-z0-9_-]/g, '_').replace(/^(?![A-Za-z_])/, '_')
  const hash = await sha256(`${server}\0${tool}`)
  return `${readable.slice(0, maxLength - 11)}_${hash.slice(0, 10)}`
}

// Not localeCompare(): the order must not depend on the machine.
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
