import type { Admin } from '../database.ts'
import { AppError, toAppError } from '../errors.ts'
import { errorStack, type Log } from '../log/log.ts'
import type { ModelTool } from '../models/model-protocol.ts'
import {
  instructionsDefinition,
  instructionsName,
  instructionsPrompt,
} from './server-instructions.ts'
import { modelSchema } from './model-schema.ts'
import { maxAllInstructions, maxDefinitionsLength, maxTools } from './tool-limits.ts'
import { nameTools } from './tool-names.ts'
import type {
  ExecutionServer,
  ListedTool,
  Listing,
  OpenToolServer,
  RefusedTool,
  ToolDefinition,
  ToolErrorCode,
  ToolServer,
  ToolServerRow,
} from './tool-server.ts'

export interface ToolboxDependencies {
  /** Records what servers list, which callers must not do for themselves. */
  readonly admin: Admin
  readonly openToolServer: OpenToolServer
  readonly log: Log
}

/** Whose execution it is, and the servers that the database names for it. */
export interface ToolboxExecution {
  readonly organization_id: number
  readonly execution_id: string
  readonly user_id: string
  readonly tools: readonly ExecutionServer[]
}

/** A tool that the model knows. */
export interface KnownTool extends ToolServerRow {
  readonly tool: string
  readonly definition: ToolDefinition
  readonly definition_hash: string
}

/** The reason why tools of a server are absent; for the client, not for the model. */
export interface ToolNotice {
  readonly server: string
  readonly code: ToolErrorCode
  /** The tools that it is about; absent: all of the server's. */
  readonly tools?: readonly string[]
  /** What to know besides the code. */
  readonly reason?: string
}

/** The tools of one execution, and the servers behind them while it runs. */
export interface Toolbox {
  readonly tools: readonly ModelTool[]
  /** Parts of the prompt: what the servers of the tools say about their use. */
  readonly instructions: readonly string[]
  readonly notices: readonly ToolNotice[]
  find(name: string): KnownTool | undefined
  serverOf(row: ToolServerRow): ToolServer | undefined
  close(): Promise<void>
}

/**
 * Collects the tools of an execution's servers. It asks the servers with an expired listing, all at
 * once. It leaves out a server that fails and reports it, because one server must not cost the
 * answer.
 */
export async function openToolbox(
  deps: ToolboxDependencies,
  execution: ToolboxExecution,
  signal: AbortSignal,
): Promise<Toolbox> {
  const servers = new Map<number, ToolServer>()
  const serverOf = (row: ToolServerRow) => {
    const { mcp_configuration_id: id } = row
    const server = servers.get(id) ?? open(deps, execution, row)
    if (server) servers.set(id, server)
    return server
  }
  const notices: ToolNotice[] = []
  const listed = await Promise.all(
    execution.tools.map(async (row) => {
      try {
        const listing = row.tools
          ? { ...row, tools: row.tools }
          : await ask(deps, execution, row, serverOf, notices, signal)
        if (listing.quarantined.length > 0) {
          notices.push({ server: row.server, code: 'tool_changed', tools: listing.quarantined })
        }
        return listing.tools.map((tool) => ({ ...row, ...known(tool) }))
      } catch (error) {
        signal.throwIfAborted()
        const { code, cause } = toAppError(error)
        const { execution_id } = execution
        const detail = `MCP configuration ${row.mcp_configuration_id}: ${errorStack(cause ?? error)}`
        deps.log({ level: 'warn', event: 'tools_not_listed', execution_id, code, detail })
        notices.push({ server: row.server, code })
        return []
      }
    }),
  )
  const all = listed.flat()
  const named = await fitting(
    all.filter(({ tool }) => tool !== instructionsName),
    notices,
  )
  return {
    tools: [...named].map(([name, { definition }]) => modelTool(name, definition)),
    instructions: instructionsOf(all, named, notices),
    notices,
    find: (name) => named.get(name),
    serverOf,
    async close() {
      await Promise.allSettled([...servers.values()].map((server) => server.close()))
    },
  }
}

function open(
  { openToolServer }: ToolboxDependencies,
  { organization_id, user_id }: ToolboxExecution,
  { mcp_configuration_id, type, endpoint }: ToolServerRow,
): ToolServer | undefined {
  if (type === 'stdio' || endpoint === null) return undefined
  return openToolServer({
    organizationId: organization_id,
    userId: user_id,
    configurationId: mcp_configuration_id,
    type,
    endpoint,
  })
}

async function ask(
  { admin }: ToolboxDependencies,
  { organization_id, user_id }: ToolboxExecution,
  row: ExecutionServer,
  serverOf: (row: ToolServerRow) => ToolServer | undefined,
  notices: ToolNotice[],
  signal: AbortSignal,
): Promise<Listing> {
  const server = serverOf(row)
  if (!server || row.endpoint === null) throw new AppError('mcp_stdio_not_supported')
  const { tools, refused, incomplete, ttl, instructions } = await server.list(signal)
  const said = instructionsDefinition(instructions)
  notices.push(...refusals(row.server, refused))
  if (incomplete !== null) {
    notices.push({ server: row.server, code: 'tool_listing_incomplete', reason: incomplete })
  }
  const listing = await admin.call('record_mcp_tools', {
    organization_id,
    user_id,
    mcp_configuration_id: row.mcp_configuration_id,
    endpoint: row.endpoint,
    tools: said ? [...tools, said] : tools,
    ttl_seconds: ttl,
  })
  return listing as Listing
}

/** A notice for each reason. */
function refusals(server: string, refused: readonly RefusedTool[]): ToolNotice[] {
  const notices = new Map<string, ToolNotice & { readonly tools: string[] }>()
  for (const { name, code, reason } of refused) {
    const notice = notices.get(`${code} ${reason}`) ?? { server, code, reason, tools: [] }
    notice.tools.push(name)
    notices.set(`${code} ${reason}`, notice)
  }
  return [...notices.values()]
}

/** Names the tools, the first of them as far as they fit into what a model can be given. */
async function fitting(
  tools: readonly KnownTool[],
  notices: ToolNotice[],
): Promise<Map<string, KnownTool>> {
  const named = await nameTools(tools)
  let left = maxDefinitionsLength
  let count = 0
  for (const [name, tool] of named) {
    left -= JSON.stringify(tool.definition).length
    count += 1
    if (left >= 0 && count <= maxTools) continue
    named.delete(name)
    notices.push({ server: tool.server, code: 'tool_over_limit', tools: [tool.tool] })
  }
  return named
}

/** The instructions of servers with tools, the first of them as far as they fit. */
function instructionsOf(
  all: readonly KnownTool[],
  named: ReadonlyMap<string, KnownTool>,
  notices: ToolNotice[],
): string[] {
  const used = new Set([...named.values()].map((tool) => tool.mcp_configuration_id))
  let left = maxAllInstructions
  return all.flatMap(({ tool, server, mcp_configuration_id, definition }) => {
    if (tool !== instructionsName || !used.has(mcp_configuration_id)) return []
    left -= definition.description?.length ?? 0
    if (left >= 0) return [instructionsPrompt(server, definition)]
    notices.push({ server, code: 'tool_over_limit', tools: [instructionsName] })
    return []
  })
}

function known({ name, definition, definition_hash }: ListedTool) {
  return { tool: name, definition, definition_hash }
}

/** A tool in the form for the model. */
export function modelTool(
  name: string,
  { title, description, input_schema }: ToolDefinition,
): ModelTool {
  const about = description ?? title
  return {
    name,
    ...(about !== undefined && { description: about }),
    parameters: modelSchema(input_schema),
  }
}
