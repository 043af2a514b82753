import type { ReportProblem } from '../log/log.ts'
import { completeModel, embedModel } from '../models/complete-model.ts'
import type { ModelAnswer } from '../models/model-answer.ts'
import type {
  MessagePart,
  ModelEvent,
  ModelRequest,
  ModelTool,
  TakeEvents,
} from '../models/model-protocol.ts'
import type { EmbeddingAnswer } from '../models/openai-embeddings.ts'
import { configuredProviders, type ModelConfiguration, resolveAdapter } from '../models/registry.ts'
import { streamModel } from '../models/stream-model.ts'
import { isStoredFile } from '../files/history-files.ts'
import type { ReadOrganizationKey } from '../provider-keys/read-key.ts'
import { toToolMessages } from '../tools/tool-messages.ts'
import type { BegunExecution, HistoryMessage, RouteStep } from './execution.ts'

/** The models that can be called, of all providers. */
export interface Models {
  /** Names of the providers that are configured. */
  readonly providers: readonly string[]
  /**
   * Calls the model of one step. Each batch is what one read of the answer gave; without
   * `stream` the answer comes in one.
   * @throws ModelError, the signal's reason, or what `take` throws
   */
  call(
    step: RouteStep,
    request: ModelRequest,
    take: TakeEvents,
    options: CallOptions,
  ): Promise<void>
}

export interface CallOptions {
  readonly stream: boolean
  readonly signal: AbortSignal
  /** The organization whose own key is used when the step has one. */
  readonly organizationId: number
}

/**
 * The models of the configured providers, and of the providers for which organizations have their
 * own keys.
 */
export function createModels(
  configuration: ModelConfiguration,
  readOrganizationKey: ReadOrganizationKey,
  report: ReportProblem,
): Models {
  return {
    providers: configuredProviders(configuration, report),
    async call({ provider, credential }, request, take, { stream, signal, organizationId }) {
      const own = credential === 'organization'
      const used = own ? await readOrganizationKey(organizationId, provider) : configuration
      const adapter = resolveAdapter(provider, used)
      const { embed } = request
      if (embed)
        take(toEmbeddingEvents(await embedModel(adapter, { ...request, embed }, { signal })))
      else if (stream) await streamModel(adapter, request, take, { signal })
      else take(toEvents(await completeModel(adapter, request, { signal })))
    },
  }
}

/** The progress of an execution before a model call. */
export interface Progress {
  /** Parts of the answer so far: what the model said in earlier calls, and results of tools. */
  readonly parts: readonly MessagePart[]
  readonly tools: readonly ModelTool[]
  /** Of the servers of the tools: parts of the prompt. */
  readonly instructions: readonly string[]
}

const nothingYet: Progress = { parts: [], tools: [], instructions: [] }

/**
 * The request to the model of one step: prompts, history, parameters and progress of the execution.
 */
export function toModelRequest(
  execution: BegunExecution,
  step: RouteStep,
  { parts, tools, instructions }: Progress = nothingYet,
): ModelRequest {
  return {
    model: step.model,
    config: step.config,
    systemPrompts: [...execution.system_prompts, ...instructions],
    messages: toToolMessages([
      // Parts were validated before they were stored; of parameters, through the RPC, only the size.
      ...execution.history.map((message) => ({
        role: message.role,
        content: message.content,
        parts: partsOf(execution, message),
      })),
      ...(parts.length > 0 ? [{ role: 'assistant', content: '', parts } as const] : []),
    ]),
    params: { ...step.params, ...execution.params },
    // Not every model takes them; its configuration says so.
    ...(tools.length > 0 && step.config['tools'] !== false && { tools }),
    ...execution.asked,
  }
}

/** The parts of a stored message; of the new one with the data that is not stored. */
export function partsOf(
  { given, message_id, shown }: BegunExecution,
  { id, parts }: HistoryMessage,
): readonly MessagePart[] | null {
  const stored = given && id === message_id ? given : parts
  // Without a path, a part is as the adapters of models take it.
  return (
    stored?.flatMap((part) =>
      isStoredFile(part) ? (shown?.get(part.path) ?? []) : [part as MessagePart],
    ) ?? null
  )
}

function toEmbeddingEvents({ requestId, model, vectors, usage }: EmbeddingAnswer): ModelEvent[] {
  return [
    { type: 'start', requestId, model },
    { type: 'embeddings', vectors },
    ...(usage ? [{ type: 'usage', usage } as const] : []),
    { type: 'finish', reason: 'stop', rawReason: 'stop' },
  ]
}

/** A whole answer as the events of which it is made. */
export function toEvents(answer: ModelAnswer): ModelEvent[] {
  const events: ModelEvent[] = [
    { type: 'start', requestId: answer.requestId, model: answer.model },
    ...answer.parts.flatMap(toPartEvents),
  ]
  if (answer.usage) events.push({ type: 'usage', usage: answer.usage })
  if (answer.finish) events.push({ type: 'finish', ...answer.finish })
  return events
}

/** A part of an answer as the event of which it was made. */
export function toPartEvents(part: MessagePart): ModelEvent[] {
  if (part.type === 'refusal' || part.type === 'source') return [part]
  if (part.type === 'image') {
    const { url, media_type, provider_metadata: metadata } = part
    return [{ type: 'picture', url, media_type, ...(metadata && { metadata }) }]
  }
  if (part.type !== 'text' && part.type !== 'reasoning' && part.type !== 'tool_call') return []
  const { provider_metadata: metadata, ...event } = part
  return [metadata ? { ...event, metadata } : event]
}
