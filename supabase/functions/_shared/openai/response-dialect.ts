import { toPartEvents } from '../executions/models.ts'
import type { BegunExecution, FinishedExecution } from '../executions/execution.ts'
import type { ModelEvent } from '../models/model-protocol.ts'
import { type ChatIdentity, identityOf, modelId, partsOf } from './chat-completion.ts'
import type { AnswerWriter, Dialect } from './dialect.ts'
import type { OpenAiErrorBody } from './openai-error.ts'
import { type ResponseEvent, ResponseItems } from './response-items.ts'

/** What a response repeats of its request. */
export type ResponseEcho = Readonly<Record<string, unknown>>

/** Responses, OpenAI's newer protocol for an answer. */
export function responseDialect(echo: ResponseEcho): Dialect {
  return {
    createWriter: (execution) => new ResponseWriter(execution, echo),
    toWhole(execution, stored) {
      const items = new ResponseItems(execution.execution_id)
      items.add(partsOf(stored.message).flatMap(toPartEvents))
      items.end()
      const identity = identityOf(execution)
      const model = modelId(identity.agent, stored.model)
      return toResponse(identity, execution, echo, model, items.output, ending(stored))
    },
  }
}

/** Writes one answer as the events of a response. */
class ResponseWriter implements AnswerWriter {
  readonly #execution: BegunExecution
  readonly #identity: ChatIdentity
  readonly #echo: ResponseEcho
  readonly #items: ResponseItems
  #model: string | null = null
  #number = 0

  constructor(execution: BegunExecution, echo: ResponseEcho) {
    this.#execution = execution
    this.#identity = identityOf(execution)
    this.#echo = echo
    this.#items = new ResponseItems(execution.execution_id)
  }

  answer(model: string, events: readonly ModelEvent[]): string {
    return this.#begin(model) + this.#text(this.#items.add(events))
  }

  repeat(model: string, { message }: FinishedExecution): string {
    return this.answer(model, partsOf(message).flatMap(toPartEvents))
  }

  finish(model: string, stored: FinishedExecution): string {
    const end = ending(stored)
    return (
      this.#begin(model) +
      this.#text(this.#items.end()) +
      this.#whole(`response.${end.status}`, model, end)
    )
  }

  error({ error }: OpenAiErrorBody): string {
    const { code, message, param } = error
    const model = this.#model ?? this.#identity.agent
    const failed = { status: 'failed', error: { code: code ?? 'server_error', message } }
    return (
      this.#begin(model) +
      this.#text([{ type: 'error', code, message, param }]) +
      this.#whole('response.failed', model, failed)
    )
  }

  #begin(model: string): string {
    if (this.#model !== null) return ''
    this.#model = model
    const begun = { status: 'in_progress' }
    return (
      this.#whole('response.created', model, begun) +
      this.#whole('response.in_progress', model, begun)
    )
  }

  #whole(type: string, model: string, end: object): string {
    const output = this.#items.output
    const response = toResponse(this.#identity, this.#execution, this.#echo, model, output, end)
    return this.#text([{ type, response }])
  }

  #text(events: readonly ResponseEvent[]): string {
    let text = ''
    for (const { type, ...event } of events) {
      const data = { type, sequence_number: this.#number, ...event }
      text += `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`
      this.#number += 1
    }
    return text
  }
}

function toResponse(
  { created }: ChatIdentity,
  { execution_id }: BegunExecution,
  echo: ResponseEcho,
  model: string,
  output: readonly object[],
  end: object,
): object {
  return {
    id: `resp_${execution_id}`,
    object: 'response',
    created_at: created,
    model,
    output,
    error: null,
    incomplete_details: null,
    usage: null,
    ...echo,
    ...end,
  }
}

/** How a stored answer ended, in OpenAI's words. */
function ending({ finish_reason, usage }: FinishedExecution): { status: string } & object {
  const reasons = new Map([
    ['length', 'max_output_tokens'],
    ['content_filter', 'content_filter'],
  ])
  const reason = reasons.get(finish_reason ?? '')
  const { input_tokens, output_tokens, total_tokens } = usage
  const counted = input_tokens !== null && output_tokens !== null
  return {
    status: reason === undefined ? 'completed' : 'incomplete',
    ...(reason !== undefined && { incomplete_details: { reason } }),
    ...(counted && {
      usage: {
        input_tokens,
        input_tokens_details: { cached_tokens: usage.cached_input_tokens ?? 0 },
        output_tokens,
        output_tokens_details: { reasoning_tokens: usage.reasoning_tokens ?? 0 },
        total_tokens: total_tokens ?? input_tokens + output_tokens,
      },
    }),
  }
}
