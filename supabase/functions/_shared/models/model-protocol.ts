/**
 * The request to a model and its answer, in no provider's wire format. Field names inside stored
 * message parts are snake_case because they are rows; the other names are internal.
 */

/**
 * Data that only its provider understands (signatures of thoughts and calls). It goes back
 * unchanged to the same provider and model only, because others reject it.
 */
export interface ProviderMetadata {
  provider: string
  model: string
  [key: string]: unknown
}

export interface TextPart {
  type: 'text'
  text: string
  /** It names a file that was in the request and is not stored. */
  not_stored?: true
  provider_metadata?: ProviderMetadata
}

/** The model's visible thoughts; sent back only as provider metadata. */
export interface ReasoningPart {
  type: 'reasoning'
  text: string
  provider_metadata?: ProviderMetadata
}

/** An image or document: `url` is a data: URL, or an address the provider itself can read. */
export interface FilePart {
  type: 'image' | 'file'
  url: string
  media_type: string
  filename?: string
  /** The detail of an image, for providers that offer the choice. */
  detail?: 'low' | 'high'
  /** Of a picture that a model made. */
  provider_metadata?: ProviderMetadata
}

export interface ToolCallPart {
  type: 'tool_call'
  id: string
  name: string
  /** JSON text exactly as the model wrote it; it may fail to parse. */
  arguments: string
  provider_metadata?: ProviderMetadata
}

export interface ToolResultPart {
  type: 'tool_result'
  tool_call_id: string
  name: string
  content: string
  /** What the tool showed, for models that can see it; never stored. */
  files?: readonly FilePart[]
  is_error?: boolean
}

/** What the model says instead of an answer. */
export interface RefusalPart {
  type: 'refusal'
  text: string
}

/** What the model says it read: an http(s) address. It goes to no model again. */
export interface SourcePart {
  type: 'source'
  url: string
  title?: string
  /** The piece of the answer's text that rests on it, where the provider says so. */
  start_index?: number
  end_index?: number
}

export type MessagePart =
  TextPart | ReasoningPart | RefusalPart | SourcePart | FilePart | ToolCallPart | ToolResultPart

export interface ModelMessage {
  role: 'system' | 'user' | 'assistant' | 'tool'
  /** Plain text; used when there are no parts. */
  content: string
  parts?: readonly MessagePart[] | null
}

export interface ModelParams {
  temperature?: number
  max_output_tokens?: number
  top_p?: number
  top_k?: number
  stop?: readonly string[]
  seed?: number
  presence_penalty?: number
  frequency_penalty?: number
  reasoning_effort?: 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh'
}

export interface ModelTool {
  name: string
  description?: string
  /** JSON Schema of the arguments. */
  parameters: Record<string, unknown>
  /** Whether the provider must hold the model to `parameters`, where it can. */
  strict?: boolean
}

export interface ModelRequest {
  /** The provider's own id of the model. */
  model: string
  systemPrompts: readonly string[]
  messages: readonly ModelMessage[]
  params: ModelParams
  /** The route's configuration, such as `location` for Vertex AI. */
  config: Readonly<Record<string, unknown>>
  tools?: readonly ModelTool[]
  /** An object names the one tool that must be called. */
  toolChoice?: 'auto' | 'none' | 'required' | { readonly name: string }
  /** False: one call at a time. Gemini has no such setting and may still make several. */
  parallelToolCalls?: boolean
  responseFormat?: ResponseFormat
  /** What to make vectors of, instead of an answer to messages. */
  embed?: EmbeddingInput
}

/** Texts, or texts as the tokens of the model. */
export interface EmbeddingInput {
  readonly input: readonly string[] | readonly (readonly number[])[]
  readonly dimensions?: number
  /** `base64`: 32-bit floats, little-endian. */
  readonly encoding: 'float' | 'base64'
}

/** A vector, in the encoding that was asked for. */
export type Vector = readonly number[] | string

/** The answer must be JSON, of `schema` when there is one; not every model obeys: validate it. */
export type ResponseFormat =
  | { readonly type: 'json_object' }
  | {
      readonly type: 'json_schema'
      readonly name: string
      readonly schema: Readonly<Record<string, unknown>>
      readonly description?: string
      /** Whether the provider must hold the model to the schema, which limits the schemas it takes. */
      readonly strict: boolean
    }

export type FinishReason = 'stop' | 'length' | 'content_filter' | 'tool_calls' | 'other'

/** Token counts, null where the provider did not say. Parts are contained in their totals. */
export interface ModelUsage {
  inputTokens: number | null
  /** Everything billed as output, reasoning included. */
  outputTokens: number | null
  totalTokens: number | null
  /** Part of inputTokens that was read from a cache. */
  cachedInputTokens: number | null
  /** Part of inputTokens that was written to a cache. */
  cacheWriteTokens: number | null
  /** Part of outputTokens. */
  reasoningTokens: number | null
  /** Part of inputTokens: what tools that the provider runs itself gave the model (Gemini only). */
  toolInputTokens: number | null
  /** What the provider says it charged, in US dollars (OpenRouter and xAI). */
  costUsd: number | null
  /** What was reported does not add up: the counts are an upper bound of it. */
  isEstimated?: true
}

/** First event of every answer; it never comes alone, so a batch always carries output. */
export interface StartEvent {
  type: 'start'
  /** The provider's id of this answer, for support and billing questions. */
  requestId: string | null
  /** The model that answered, as the provider names it. */
  model: string | null
}

/** Adjacent pieces of one read are joined; `text` is '' when only metadata came. */
export interface TextEvent {
  type: 'text'
  text: string
  metadata?: ProviderMetadata
}

export interface ReasoningEvent {
  type: 'reasoning'
  text: string
  metadata?: ProviderMetadata
}

/** A picture that the model made: `url` has its data. */
export interface PictureEvent {
  type: 'picture'
  url: string
  media_type: string
  metadata?: ProviderMetadata
}

export type RefusalEvent = RefusalPart
export type SourceEvent = SourcePart

/**
 * A piece of a call's arguments, as it came. To be shown only: the call counts when it is whole, and
 * comes as a ToolCallEvent of the same id then. Its first piece may have no arguments yet.
 */
export interface ToolCallDeltaEvent {
  type: 'tool_call_delta'
  id: string
  name: string
  arguments: string
}

/** A whole call. Half of one never becomes one: it could be executed. */
export interface ToolCallEvent {
  type: 'tool_call'
  id: string
  name: string
  /** JSON text exactly as the model wrote it; it may fail to parse. */
  arguments: string
  metadata?: ProviderMetadata
}

/** Each usage event replaces the one before it. Absent when the provider sent none. */
export interface UsageEvent {
  type: 'usage'
  usage: ModelUsage
}

/** One vector for each input, in the order of the inputs. */
export interface EmbeddingsEvent {
  type: 'embeddings'
  vectors: readonly Vector[]
}

/** Last event, and only with a reason the provider gave. */
export interface FinishEvent {
  type: 'finish'
  reason: FinishReason
  /** The provider's own word for it. */
  rawReason: string
}

export type ModelEvent =
  | StartEvent
  | TextEvent
  | ReasoningEvent
  | RefusalEvent
  | SourceEvent
  | PictureEvent
  | ToolCallDeltaEvent
  | ToolCallEvent
  | EmbeddingsEvent
  | UsageEvent
  | FinishEvent

/** Takes what one read of an answer brought; waits for nothing. */
export type TakeEvents = (events: readonly ModelEvent[]) => void
