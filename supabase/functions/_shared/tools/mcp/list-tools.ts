import { isRecord } from '../../json.ts'
import { overLimit, type ReadDefinition, readDefinition, refuse } from '../read-definition.ts'
import { defaultListingTtl, maxListingPages, maxListingTtl, maxTools } from '../tool-limits.ts'
import type { RefusedTool, ServerListing, ToolDefinition } from '../tool-server.ts'
import { badHeaderDeclaration } from './header-declarations.ts'

export interface ListOptions {
  /** One page as the server sent it. */
  readonly page: (cursor: string | undefined) => Promise<unknown>
  /** The revision has headers that tools declare. */
  readonly isModern: boolean
  /** The listing has to begin anew: nothing that was read counts. */
  readonly beginsAnew?: (error: unknown) => boolean
}

const longestCursor = 4_096

/**
 * Reads the pages of a listing, tool by tool. It names an unusable tool with its reason. When a
 * later page fails, the tools that were read count.
 * @throws what the first page failed with, and what begins the listing anew
 */
export async function listTools({
  page,
  isModern,
  beginsAnew = () => false,
}: ListOptions): Promise<ServerListing> {
  const tools = new Map<string, ToolDefinition>()
  const refused: RefusedTool[] = []
  const cursors = new Set<string>()
  let cursor: string | undefined
  let place = 0
  let ttl = maxListingTtl
  const end = (incomplete: ServerListing['incomplete']): ServerListing => ({
    tools: [...tools.values()],
    refused,
    incomplete,
    // What is missing may be there the next time.
    ttl: incomplete === null ? ttl : Math.min(ttl, defaultListingTtl),
  })
  for (let pages = 1; ; pages += 1) {
    let read: unknown
    try {
      read = await page(cursor)
    } catch (error) {
      if (pages === 1 || beginsAnew(error)) throw error
      return end('a page could not be read')
    }
    const { tools: given, nextCursor, ttlMs } = isRecord(read) ? read : {}
    ttl = Math.min(ttl, readTtl(ttlMs))
    const listed = toolsOf(given)
    for (const tool of listed ?? []) {
      const { definition, refusal } = readTool(tool, place, tools, isModern)
      place += 1
      if (definition) tools.set(definition.name, definition)
      if (refusal && refused.length < maxTools) refused.push(refusal)
    }
    if (listed === null) return end('the tools are no list')
    if (nextCursor === undefined || nextCursor === null || nextCursor === '') return end(null)
    if (typeof nextCursor !== 'string') return end('the cursor is no text')
    if (cursors.has(nextCursor)) return end('the cursor does not advance')
    if (tools.size >= maxTools) return end(`more than ${maxTools} tools`)
    if (pages >= maxListingPages) return end(`more than ${maxListingPages} pages`)
    if (nextCursor.length > longestCursor) return end('the cursor is too long')
    cursors.add(nextCursor)
    cursor = nextCursor
  }
}

/** The tools of a page; null: something else stands there. */
function toolsOf(given: unknown): readonly unknown[] | null {
  if (given === undefined || given === null) return []
  if (Array.isArray(given)) return given as unknown[]
  if (!isRecord(given)) return null
  // One tool without its list, or tools by number or name, as PHP writes a list with a gap.
  return 'inputSchema' in given || typeof given['name'] === 'string'
    ? [given]
    : Object.values(given)
}

function readTool(
  tool: unknown,
  place: number,
  others: ReadonlyMap<string, ToolDefinition>,
  isModern: boolean,
): ReadDefinition {
  const read = readDefinition(tool, place)
  if (!read.definition) return read
  const { name, input_schema } = read.definition
  const problem = isModern ? badHeaderDeclaration(input_schema) : null
  if (problem !== null) return refuse(name, problem)
  if (others.has(name)) return refuse(name, 'is listed twice')
  if (others.size >= maxTools) return overLimit(name, `comes after ${maxTools} others`)
  return read
}

/** Seconds for which a listing may be kept. */
function readTtl(milliseconds: unknown): number {
  const isSaid = typeof milliseconds === 'number' && milliseconds >= 0
  return Math.min(isSaid ? Math.floor(milliseconds / 1_000) : defaultListingTtl, maxListingTtl)
}
