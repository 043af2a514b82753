/** A part of a message to an agent. */
export type InvokePart =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'file'
      /** An https address, or the data itself as `data:<media type>;base64,…`. */
      readonly url: string
      readonly mediaType: string
      readonly filename?: string
    }
  | {
      readonly type: 'file'
      /** Of an uploaded file, in the bucket `attachments`. */
      readonly path: string
      readonly mediaType?: string
      readonly filename?: string
    }

/** What each request of an agent may set. `docs/executions.md` describes the fields. */
export interface InvokeSettings {
  readonly agent?: string
  readonly model?: string
  readonly project_id?: number
  readonly params?: {
    readonly temperature?: number
    readonly max_output_tokens?: number
    readonly top_p?: number
    readonly top_k?: number
    readonly stop?: readonly string[]
    readonly seed?: number
    readonly presence_penalty?: number
    readonly frequency_penalty?: number
    readonly reasoning_effort?: 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh'
  }
  /** A prompt of the organization's library, with a value for each variable that it asks for. */
  readonly prompt?: {
    readonly name: string
    readonly variables?: Readonly<Record<string, string | number | boolean>>
  }
  /** The customer for whom a server asks. A conversation goes on with the same one only. */
  readonly end_user?: string
  /** The answer must be JSON of this schema. */
  readonly format?: { readonly schema: unknown }
  /** What to do while another execution of the session runs. */
  readonly on_busy?: 'refuse' | 'queue'
}

/** The body of `POST /agents/invoke`. */
export interface InvokeRequest extends InvokeSettings {
  readonly session_id?: string
  /** The message that this one follows; null begins a new branch at the start of the session. */
  readonly parent_id?: string | null
  readonly message?: { readonly id?: string; readonly content: string | readonly InvokePart[] }
  /** Instead of `message`: the user message or the answer to answer again. */
  readonly regenerate?: string
}

/** A whole answer of an agent. */
export interface InvokeAnswer {
  readonly execution_id: string
  readonly session_id: string
  readonly message: {
    readonly id: string
    readonly role: string
    readonly content: string
    readonly parts: readonly unknown[] | null
  } | null
  readonly usage: {
    readonly input_tokens: number | null
    readonly output_tokens: number | null
    readonly total_tokens: number | null
  }
  readonly finish_reason: string | null
  /** US dollars; null when the model's price is unknown. */
  readonly cost_usd: number | null
  readonly model: string | null
  /** The value of the answer, when the request had a format. */
  readonly object?: unknown
}

/** An execution that is polled: its status, and its end once it has one. */
export type PolledExecution = {
  readonly execution_id: string
  readonly status: 'pending' | 'running' | 'success' | 'failed' | 'cancelled'
} & Partial<Omit<InvokeAnswer, 'execution_id' | 'object'>> & { readonly error_code?: string | null }

/** What became of a decision about a tool call. */
export interface Decision {
  readonly tool_call_id: string
  readonly status: string
  /** Calls of the same answer that are still to be decided. */
  readonly waiting: number
  /** The execution that continues the answer; null while calls wait. */
  readonly execution_id: string | null
}

/** Providers whose keys organizations may bring. */
export type KeyProvider = 'openrouter' | 'vertex-ai'

export interface StoredProviderKey {
  readonly provider: KeyProvider
  /** The last characters of the key, by which its owner tells it from others. */
  readonly last_four: string
}
