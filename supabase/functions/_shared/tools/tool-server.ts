import type { Elicitation, Reply } from './elicitation.ts'

/** A tool as its server defined it: what is pinned, shown to people, and given to the model. */
export interface ToolDefinition {
  readonly name: string
  readonly title?: string
  readonly description?: string
  /** JSON Schema of the arguments. */
  readonly input_schema: Readonly<Record<string, unknown>>
  /** JSON Schema of the structured content of answers. */
  readonly output_schema?: Readonly<Record<string, unknown>>
}

/** A server that the person's agents use. */
export interface ToolServerRow {
  readonly mcp_configuration_id: number
  /** Name of the configuration. */
  readonly server: string
  readonly type: 'http' | 'sse' | 'stdio'
  readonly endpoint: string | null
}

/** A listed tool that may be called, at once (`auto`) or after an approval (`ask`). */
export interface ListedTool {
  readonly name: string
  readonly definition: ToolDefinition
  readonly definition_hash: string
  readonly policy: 'auto' | 'ask'
}

/** What the database gives of a listing: without tools that are off, and without quarantined ones. */
export interface Listing {
  readonly tools: readonly ListedTool[]
  /** Names of tools that wait until someone has approved how they changed. */
  readonly quarantined: readonly string[]
}

/** A server of an execution; `tools` is null while it has to be asked. */
export interface ExecutionServer extends ToolServerRow {
  readonly tools: Listing['tools'] | null
  readonly quarantined: Listing['quarantined']
}

/** Why a call was not made or failed, as stored and told to clients. docs/tools.md lists them. */
export type ToolErrorCode = string

/**
 * A typed piece of an answer. `data`, in base64, goes to the client and to the model; of it only what it
 * is is stored.
 */
export type ToolContent =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'image' | 'audio'
      readonly media_type: string
      readonly bytes: number
      readonly data?: string
    }
  | {
      readonly type: 'resource'
      readonly uri: string
      readonly media_type?: string
      readonly name?: string
      readonly text?: string
      readonly bytes?: number
      readonly data?: string
    }

/** An answer of a tool, capped. */
export interface ToolResult {
  /** What the model reads. */
  readonly text: string
  readonly content: readonly ToolContent[]
  readonly structured_content?: unknown
  /** Something was left out because of its size. */
  readonly truncated: boolean
}

/**
 * How a call ended. `error`: the server refused it or answered with an error, or it was never
 * sent; `unknown`: it may have been carried out.
 */
export interface ToolOutcome {
  readonly status: 'success' | 'error' | 'unknown'
  readonly error_code?: ToolErrorCode
  readonly result: ToolResult
  /** What the server wants to know first. The outcome is the one of a call that cannot wait for it. */
  readonly elicitation?: Elicitation
}

/** Whose account calls which server. */
export interface ToolServerKey {
  readonly organizationId: number
  readonly userId: string
  readonly configurationId: number
  readonly type: 'http' | 'sse'
  /**
   * The server of the call: the worker calls no other one, also when the configuration has changed.
   */
  readonly endpoint: string
}

/** A tool that is left out of a listing. */
export interface RefusedTool {
  readonly name: string
  readonly code: 'tool_unusable' | 'tool_over_limit'
  /** Completes the sentence that its name begins; of ours, no foreign text. */
  readonly reason: string
}

/** What a server lists. */
export interface ServerListing {
  readonly tools: readonly ToolDefinition[]
  /** Tools that are left out; the first of them. */
  readonly refused: readonly RefusedTool[]
  /** Why there may be more tools than these; null: these are all. */
  readonly incomplete: string | null
  /** Seconds for which the server lets the listing be kept. */
  readonly ttl: number
}

/** How a server turned out to be reached: without sessions, by `initialize`, or by the old transport. */
export type ServerEra = 'modern' | 'older' | 'sse'

/** A listing, and what connecting to the server showed. */
export interface ConnectedListing extends ServerListing {
  readonly era: ServerEra
  /** What the server says about the use of its tools; foreign text. */
  readonly instructions?: string | undefined
}

/** One MCP server, as one person sees it. Connects with the first use. */
export interface ToolServer {
  /** @throws AppError */
  list(signal: AbortSignal): Promise<ConnectedListing>
  /**
   * Makes one call, once. Never rejects: the outcome reports every failure.
   * @param reply the answers to what the server asked when the call was made before
   */
  call(
    definition: ToolDefinition,
    args: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
    reply?: Reply,
  ): Promise<ToolOutcome>
  /** Whether the server has answered; null while no request is known to have gone to it. */
  reached(): boolean | null
  close(): Promise<void>
}

export type OpenToolServer = (key: ToolServerKey) => ToolServer
