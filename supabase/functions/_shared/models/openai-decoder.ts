import { countOf, dollarsOf, isRecord, stringOf } from '../json.ts'
import type { AnswerBuilder } from './answer-builder.ts'
import { ProviderReportedError, type StreamDecoder } from './model-adapter.ts'
import { ModelError } from './model-error.ts'
import type { FinishReason, ModelUsage } from './model-protocol.ts'
import { parseFrame } from './parse-frame.ts'
import { findErrorObject } from './provider-failure.ts'
import { ReasoningDetails } from './reasoning-details.ts'

type Json = Record<string, unknown>

const finishReasons: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  length: 'length',
  content_filter: 'content_filter',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
}

/** Decodes `chat.completion.chunk` frames and whole `chat.completion` bodies. */
export class OpenAiDecoder implements StreamDecoder {
  readonly #reasoning: ReasoningDetails

  /** @param provider,model to whom reasoning details go back */
  constructor(provider: string, model: string) {
    this.#reasoning = new ReasoningDetails(provider, model)
  }

  decode(data: string, answer: AnswerBuilder): boolean {
    if (data === '[DONE]') return true
    this.#decodeBody(parseFrame(data), 'delta', answer)
    return false
  }

  decodeAnswer(body: unknown, answer: AnswerBuilder): void {
    if (!isRecord(body)) throw malformed('the answer is not an object')
    this.#decodeBody(body, 'message', answer)
  }

  #decodeBody(body: Json, field: 'delta' | 'message', answer: AnswerBuilder): void {
    const reported = findErrorObject(body)
    if (reported !== undefined) throw new ProviderReportedError(reported)
    answer.identify(stringOf(body['id']), stringOf(body['model']))
    const choices = body['choices'] ?? []
    if (!Array.isArray(choices)) throw malformed('choices is not an array')
    for (const choice of choices as unknown[]) {
      // Only one answer is asked for; a second one would be mixed into its text.
      if (isRecord(choice) && (choice['index'] ?? 0) === 0) this.#choice(choice, field, answer)
    }
    const usage = body['usage']
    if (isRecord(usage)) answer.usage(toUsage(usage))
  }

  #choice(choice: Json, field: 'delta' | 'message', answer: AnswerBuilder): void {
    const reported = findErrorObject(choice)
    if (reported !== undefined) throw new ProviderReportedError(reported)
    const delta = choice[field]
    if (isRecord(delta)) this.#delta(delta, answer)
    const reason = stringOf(choice['finish_reason'])
    if (reason === null) return
    // OpenRouter's word for a failure that it could not describe.
    if (reason === 'error') throw new ProviderReportedError({ code: 'finish_reason_error' })
    const metadata = this.#reasoning.take()
    if (metadata !== null) answer.reasoning('', metadata)
    answer.finish(finishReasons[reason] ?? 'other', reason)
  }

  #delta(delta: Json, answer: AnswerBuilder): void {
    const reasoning = delta['reasoning'] ?? delta['reasoning_content']
    if (typeof reasoning === 'string') answer.reasoning(reasoning)
    if (Array.isArray(delta['reasoning_details'])) this.#reasoning.add(delta['reasoning_details'])
    const content = delta['content']
    if (typeof content === 'string') answer.text(content)
    else if (Array.isArray(content)) for (const part of content) answer.text(textOfPart(part))
    else if (content !== undefined && content !== null) throw malformed('content is not text')
    // A refusal is what the model says instead of content.
    if (typeof delta['refusal'] === 'string') answer.text(delta['refusal'])
    if (Array.isArray(delta['tool_calls'])) addToolCalls(delta['tool_calls'], answer)
  }
}

function addToolCalls(calls: unknown[], answer: AnswerBuilder): void {
  for (const [position, call] of calls.entries()) {
    if (!isRecord(call)) throw malformed('a tool call is not an object')
    const tool = isRecord(call['function']) ? call['function'] : {}
    answer.toolCall(countOf(call['index']) ?? position, {
      id: stringOf(call['id']),
      name: stringOf(tool['name']),
      arguments: stringOf(tool['arguments']),
    })
  }
}

/** Some services send content as typed parts. */
function textOfPart(part: unknown): string {
  return isRecord(part) && part['type'] === 'text' ? (stringOf(part['text']) ?? '') : ''
}

function toUsage(usage: Json): ModelUsage {
  const input = isRecord(usage['prompt_tokens_details']) ? usage['prompt_tokens_details'] : {}
  const details = usage['completion_tokens_details']
  const output = isRecord(details) ? details : {}
  return {
    inputTokens: countOf(usage['prompt_tokens']),
    outputTokens: countOf(usage['completion_tokens']),
    totalTokens: countOf(usage['total_tokens']),
    cachedInputTokens: countOf(input['cached_tokens']),
    cacheWriteTokens: countOf(input['cache_write_tokens']),
    reasoningTokens: countOf(output['reasoning_tokens']),
    toolInputTokens: null,
    costUsd: dollarsOf(usage['cost']),
  }
}

function malformed(detail: string): ModelError {
  return new ModelError('provider_malformed_response', { detail })
}
