import { AppError, isErrorCode } from '../errors.ts'
import type { ShownFiles } from '../files/history-files.ts'
import type { ReadFiles } from '../files/read-files.ts'
import { isRecord } from '../json.ts'
import type { ModelRequest } from '../models/model-protocol.ts'
import type { ExecutionServer } from '../tools/tool-server.ts'

/** One way to answer: a model of the agent and the provider that serves it. */
export interface RouteStep {
  readonly model_id: string | number
  /** The model's name in this system, as clients name it. */
  readonly name: string
  readonly provider: string
  /** The model's name at the provider. */
  readonly model: string
  readonly config: Readonly<Record<string, unknown>>
  /** Parameters of this model; those of the execution win over them. */
  readonly params: Readonly<Record<string, unknown>>
  /** The owner of the key: an organization's own key is used before the platform's. */
  readonly credential: 'platform' | 'organization'
  /** Tokens of the model's window, where they are known. */
  readonly context_tokens?: number
  /** The circuit breaker is open: only the worker that acquires its one probe may call. */
  readonly probe: boolean
}

/** A message of the conversation as the database keeps it. */
export interface HistoryMessage {
  readonly id: string
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  readonly content: string
  readonly parts: readonly unknown[] | null
}

/** What `begin_execution` returns. */
export interface BegunExecution {
  readonly organization_id: number
  readonly execution_id: string
  /** Who invoked the agent. */
  readonly user_id: string
  readonly session_id: string
  readonly message_id: string
  readonly response_message_id: string
  /** Whether an earlier request with the same key and body began this execution. */
  readonly replayed: boolean
  /** The number of this worker's attempt, which each of its writes carries. */
  readonly attempt: number
  readonly status: ExecutionStatus
  readonly agent: { readonly id: string | number; readonly name: string }
  /** Ways to answer, in the order they are tried. */
  readonly route: readonly RouteStep[]
  readonly system_prompts: readonly string[]
  /** A person left a note for the model, which the session's user does not read: the worker reads it. */
  readonly has_note?: boolean
  /** Oldest first; ends with the new user message. */
  readonly history: readonly HistoryMessage[]
  readonly params: Readonly<Record<string, unknown>>
  /** MCP servers whose tools the agent may call. */
  readonly tools: readonly ExecutionServer[]
  /** The execution whose answer continues here, with the calls that were decided since. */
  readonly continues?: string
  /** The client's own messages for the model, instead of the stored history. */
  readonly asked?: Partial<
    Pick<
      ModelRequest,
      'messages' | 'tools' | 'toolChoice' | 'parallelToolCalls' | 'responseFormat' | 'embed'
    >
  >
  /** The parts of the new message, when pictures or files in the request are among them. */
  readonly given?: readonly unknown[]
  /** The files of the new message, which were read when the execution began. */
  readonly files?: ReadFiles
  /** The files of the conversation, by path. */
  readonly shown?: ShownFiles
  /** The stored end of an execution that was replayed, or left to a person, and has one. */
  readonly result: FinishedExecution | null
}

export type ExecutionStatus = 'pending' | 'running' | 'success' | 'failed' | 'cancelled'

export interface Usage {
  readonly input_tokens: number | null
  readonly output_tokens: number | null
  readonly total_tokens: number | null
  /** Part of input_tokens. */
  readonly cached_input_tokens?: number | null
  /** Part of output_tokens. */
  readonly reasoning_tokens?: number | null
  /** Part of input_tokens. */
  readonly tool_input_tokens?: number | null
}

/** What `finish_execution` returns: the one end of an execution, as stored. */
export interface FinishedExecution {
  readonly session_id: string
  readonly status: ExecutionStatus
  readonly finish_reason: string | null
  readonly error_code: string | null
  readonly message: {
    readonly id: string
    readonly role: string
    readonly content: string
    readonly parts: readonly unknown[] | null
  } | null
  readonly usage: Usage
  /** US dollars; null when the model's price is unknown. */
  readonly cost_usd: number | null
  readonly model: string | null
  readonly latency_ms: number | null
  /** Whether it had ended before: the outcome of this call was then dropped. */
  readonly already_final: boolean
}

/** The cause of a failure; only a provider's fault counts for its circuit breaker. */
export type Fault = 'provider' | 'caller' | 'platform'

/** How an execution ended, as told to `finish_execution`. */
export interface Outcome {
  readonly status: 'success' | 'failed' | 'cancelled'
  readonly finish_reason?: string
  readonly content?: string
  readonly parts?: readonly unknown[]
  readonly model_id?: string | number
  readonly input_tokens?: number
  readonly output_tokens?: number
  readonly total_tokens?: number
  /** The provider counted only some of the model calls. */
  readonly estimated_input_tokens?: number
  readonly cached_input_tokens?: number
  readonly reasoning_tokens?: number
  readonly tool_input_tokens?: number
  /** What the provider reported does not add up: the counts are an upper bound. */
  readonly usage_is_estimated?: boolean
  /** US dollars that the provider says it charged. */
  readonly provider_cost_usd?: number
  /** Absent: counted by the database from the beginning of the execution. */
  readonly latency_ms?: number
  readonly first_chunk_ms?: number
  readonly provider_request_id?: string
  /** Messages, from the oldest, that the model did not get. */
  readonly trimmed_messages?: number
  readonly error_code?: string
  readonly error_message?: string
  readonly fault?: Fault
  /** Model ids, one per provider's fault that another call followed. */
  readonly failed_models?: readonly (string | number)[]
  /** The events that are not stored yet, as the JSON text of an array. */
  readonly events?: string
  /** Id of the first of these events. */
  readonly events_seq?: number
}

/**
 * Why a stored execution has no whole answer; null when it has one. The database has the last
 * word: an execution may have been ended elsewhere while its answer arrived.
 */
export function endingError(
  executionId: string,
  { status, error_code }: FinishedExecution,
): AppError | null {
  if (status === 'success') return null
  const says = error_code === 'access_revoked' || error_code === 'person_answers'
  const stopped = status === 'cancelled' && !says
  const code = stopped ? 'execution_cancelled' : error_code
  // Under this id the client can read what had arrived.
  const headers = { 'x-execution-id': executionId }
  return new AppError(isErrorCode(code) ? code : 'internal_error', { headers })
}

/** Whether the model refused to answer: its message has a part that says so. */
export function isRefusal(parts: readonly unknown[] | null | undefined): boolean {
  return parts?.some((part) => isRecord(part) && part['type'] === 'refusal') === true
}
