import { countOf, isRecord, stringOf } from '../json.ts'
import type { AnswerBuilder } from './answer-builder.ts'
import { ProviderReportedError, type StreamDecoder } from './model-adapter.ts'
import { addUpUsage } from './add-up-usage.ts'
import { ModelError } from './model-error.ts'
import type { FinishReason, ModelUsage, ProviderMetadata } from './model-protocol.ts'
import { addSource } from './openai-citations.ts'
import { parseFrame } from './parse-frame.ts'
import { addPictureData, unsupportedOutput } from './pictures.ts'
import { findErrorObject } from './provider-failure.ts'
import { VERTEX_PROVIDER } from './vertex-request.ts'

type Json = Record<string, unknown>

/** Candidate.FinishReason of Vertex AI v1; what is not here is `other`. */
const finishReasons: Readonly<Record<string, FinishReason>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  // Not in the reference, but compatible servers send it; Google says STOP.
  FUNCTION_CALL: 'tool_calls',
  SAFETY: 'content_filter',
  RECITATION: 'content_filter',
  BLOCKLIST: 'content_filter',
  PROHIBITED_CONTENT: 'content_filter',
  SPII: 'content_filter',
  MODEL_ARMOR: 'content_filter',
  IMAGE_SAFETY: 'content_filter',
  IMAGE_PROHIBITED_CONTENT: 'content_filter',
  IMAGE_RECITATION: 'content_filter',
}

/** Decodes GenerateContentResponse, which is the same in a stream and as a whole. */
export class VertexDecoder implements StreamDecoder {
  readonly #model: string
  /** @param model the provider's id, to which signatures go back */
  constructor(model: string) {
    this.#model = model
  }

  decode(data: string, answer: AnswerBuilder): boolean {
    this.decodeAnswer(parseFrame(data), answer)
    return false // There is no end mark: the body ends.
  }

  /** A whole answer; the chunks of a stream in an array are one, too (without `alt=sse`). */
  decodeAnswer(body: unknown, answer: AnswerBuilder): void {
    if (Array.isArray(body)) for (const chunk of body) this.#decodeResponse(chunk, answer)
    else this.#decodeResponse(body, answer)
  }

  #decodeResponse(body: unknown, answer: AnswerBuilder): void {
    const reported = findErrorObject(body)
    if (reported !== undefined) throw new ProviderReportedError(reported)
    if (!isRecord(body)) throw malformed('the answer is not an object')
    answer.identify(stringOf(body['responseId']), stringOf(body['modelVersion']))
    const candidates = body['candidates'] ?? []
    if (!Array.isArray(candidates)) throw malformed('candidates is not an array')
    const usage = body['usageMetadata']
    if (isRecord(usage)) answer.usage(toUsage(usage))
    for (const candidate of candidates as unknown[]) {
      // Only one answer is asked for; a second one would be mixed into its text.
      if (isRecord(candidate) && (countOf(candidate['index']) ?? 0) === 0)
        this.#candidate(candidate, answer)
    }
    const feedback = body['promptFeedback']
    const blocked = isRecord(feedback) ? stringOf(feedback['blockReason']) : null
    if (blocked !== null && !blocked.endsWith('_UNSPECIFIED'))
      answer.finish('content_filter', blocked)
  }

  #candidate(candidate: Json, answer: AnswerBuilder): void {
    const content = candidate['content']
    const parts = isRecord(content) ? (content['parts'] ?? []) : []
    if (!Array.isArray(parts)) throw malformed('parts is not an array')
    for (const part of parts as unknown[]) {
      if (!isRecord(part)) throw malformed('a part is not an object')
      this.#part(part, answer)
    }
    addGrounding(candidate['groundingMetadata'], answer)
    const reason = stringOf(candidate['finishReason'])
    if (reason === null || reason === 'FINISH_REASON_UNSPECIFIED') return
    answer.finish(finishReasons[reason] ?? 'other', reason)
  }

  #part(part: Json, answer: AnswerBuilder): void {
    const signature = stringOf(part['thoughtSignature'])
    const metadata: ProviderMetadata | undefined =
      signature === null
        ? undefined
        : { provider: VERTEX_PROVIDER, model: this.#model, thoughtSignature: signature }
    const call = part['functionCall']
    if (isRecord(call)) {
      const given = call['args'] ?? {}
      if (!isRecord(given)) throw malformed('the arguments of a call are not an object')
      const args = JSON.stringify(given)
      const piece = { id: stringOf(call['id']), name: stringOf(call['name']), arguments: args }
      answer.wholeToolCall({ index: null, ...piece, ...(metadata && { metadata }) })
      return
    }
    // A sketch among the thoughts is no part of the answer.
    const data = part['thought'] === true ? undefined : part['inlineData']
    if (isRecord(data)) {
      const type = stringOf(data['mimeType']) ?? ''
      return addPictureData(type, stringOf(data['data']) ?? '', answer, metadata)
    }
    if (isRecord(part['fileData'])) throw unsupportedOutput()
    const text = part['text'] ?? undefined
    if (text !== undefined && typeof text !== 'string') throw malformed('text is not a string')
    if (part['thought'] === true) answer.reasoning(text ?? '', metadata)
    else answer.text(text ?? '', metadata)
  }
}

/** What Google's search gave the model to read. */
function addGrounding(grounding: unknown, answer: AnswerBuilder): void {
  const chunks = isRecord(grounding) ? grounding['groundingChunks'] : []
  for (const chunk of Array.isArray(chunks) ? chunks.filter(isRecord) : []) {
    const web = chunk['web'] ?? chunk['retrievedContext']
    if (isRecord(web)) addSource(web['uri'], web['title'], answer)
  }
}

/**
 * Thoughts are billed as output but counted beside the candidates, and results of the provider's
 * own tools are billed as input but counted beside the prompt.
 */
function toUsage(usage: Json): ModelUsage {
  const reasoningTokens = countOf(usage['thoughtsTokenCount'])
  const toolInputTokens = countOf(usage['toolUsePromptTokenCount'])
  const input = sum(countOf(usage['promptTokenCount']), toolInputTokens)
  const cachedInputTokens = countOf(usage['cachedContentTokenCount'])
  const output = sum(countOf(usage['candidatesTokenCount']), reasoningTokens)
  const total = countOf(usage['totalTokenCount'])
  const counts = addUpUsage({
    // No request has no input: 0 stands for "not counted".
    input: input === 0 ? null : input,
    output,
    // Before the first word the total is the prompt's, and says nothing of the answer.
    total: output === null && total === input ? null : total,
    cached: cachedInputTokens,
    reasoning: reasoningTokens,
  })
  return {
    ...counts,
    totalTokens: counts.totalTokens ?? total,
    cachedInputTokens,
    cacheWriteTokens: null,
    reasoningTokens,
    toolInputTokens,
    costUsd: null,
  }
}

function sum(a: number | null, b: number | null): number | null {
  return a === null && b === null ? null : (a ?? 0) + (b ?? 0)
}

function malformed(detail: string): ModelError {
  return new ModelError('provider_malformed_response', { detail })
}
