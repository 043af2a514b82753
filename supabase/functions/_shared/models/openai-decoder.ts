import { countOf, isRecord, stringOf } from '../json.ts'
import type { AnswerBuilder } from './answer-builder.ts'
import { ProviderReportedError, type StreamDecoder } from './model-adapter.ts'
import { ModelError } from './model-error.ts'
import { addPicture, addPictures, unsupportedOutput } from './pictures.ts'
import type { FinishReason } from './model-protocol.ts'
import { addAnnotations, addCitations } from './openai-citations.ts'
import { addToolCalls } from './openai-tool-calls.ts'
import { readOpenAiUsage } from './openai-usage.ts'
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
  // Mistral; Zhipu; and the words of Anthropic, Cohere and Hugging Face, which proxies pass on.
  model_length: 'length',
  sensitive: 'content_filter',
  end_turn: 'stop',
  stop_sequence: 'stop',
  eos: 'stop',
  eos_token: 'stop',
  complete: 'stop',
  completed: 'stop',
  max_tokens: 'length',
  tool_use: 'tool_calls',
  tool_call: 'tool_calls',
  refusal: 'content_filter',
  safety: 'content_filter',
}

/** Decodes `chat.completion.chunk` frames and whole `chat.completion` bodies. */
export class OpenAiDecoder implements StreamDecoder {
  readonly #reasoning: ReasoningDetails

  /** @param provider,model to whom reasoning details go back */
  constructor(provider: string, model: string) {
    this.#reasoning = new ReasoningDetails(provider, model)
  }

  decode(data: string, answer: AnswerBuilder): boolean {
    if (data.trim() === '[DONE]') return true
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
      if (isRecord(choice) && (countOf(choice['index']) ?? 0) === 0)
        this.#choice(choice, field, answer)
    }
    addCitations(body, answer)
    const usage = usageOf(body, choices as unknown[])
    if (usage) answer.usage(readOpenAiUsage(usage))
  }

  #choice(choice: Json, field: 'delta' | 'message', answer: AnswerBuilder): void {
    const reported = findErrorObject(choice)
    if (reported !== undefined) throw new ProviderReportedError(reported)
    const delta = choice[field]
    const { message } = choice
    // Some stream one frame, with all of the answer in it.
    const isWhole = isRecord(message) && !isRecord(delta) && answer.progress === 0
    if (isWhole) this.#delta(message, true, answer)
    else if (isRecord(delta)) this.#delta(delta, field === 'message', answer)
    else if (delta !== undefined && delta !== null) throw malformed(`${field} is not an object`)
    const reason = stringOf(choice['finish_reason'])
    if (reason === null) return
    // OpenRouter's word for a failure that it could not describe.
    if (reason === 'error') throw new ProviderReportedError({ code: 'finish_reason_error' })
    const metadata = this.#reasoning.take()
    if (metadata !== null) answer.reasoning('', metadata)
    answer.finish(finishReasons[reason.toLowerCase()] ?? 'other', reason)
  }

  #delta(delta: Json, isWhole: boolean, answer: AnswerBuilder): void {
    const reasoning = delta['reasoning'] ?? delta['reasoning_content']
    if (typeof reasoning === 'string') answer.reasoning(reasoning)
    if (Array.isArray(delta['reasoning_details'])) this.#reasoning.add(delta['reasoning_details'])
    const content = delta['content']
    if (typeof content === 'string') answer.text(content)
    else if (Array.isArray(content)) for (const part of content) addPart(part, answer)
    else if (isRecord(content)) addPart(content, answer)
    else if (content !== undefined && content !== null) throw malformed('content is not text')
    if (typeof delta['refusal'] === 'string') answer.refusal(delta['refusal'])
    addPictures(delta['images'], answer)
    if (isRecord(delta['audio'])) throw unsupportedOutput()
    addAnnotations(delta['annotations'], answer)
    addToolCalls(delta, isWhole, answer)
  }
}

/** Some services send content as typed parts; Mistral its thoughts, too. */
function addPart(part: unknown, answer: AnswerBuilder): void {
  if (typeof part === 'string') return answer.text(part)
  if (!isRecord(part)) throw malformed('a part of the content is not an object')
  const { type, thinking } = part
  if (type === 'text' || type === 'output_text') answer.text(stringOf(part['text']) ?? '')
  else if (type === 'refusal') answer.refusal(stringOf(part['refusal']) ?? '')
  else if (type === 'thinking' && Array.isArray(thinking)) {
    for (const thought of thinking.filter(isRecord)) {
      answer.reasoning(stringOf(thought['text']) ?? '')
    }
  } else if (type === 'image' || type === 'image_url') addPicture(part, answer)
  else if (type === 'audio') throw unsupportedOutput()
}

/** Groq and Moonshot have places of their own for it. */
function usageOf(body: Json, choices: readonly unknown[]): Json | null {
  const [choice] = choices
  const groq = body['x_groq']
  const places = [
    body['usage'],
    isRecord(groq) && groq['usage'],
    isRecord(choice) && choice['usage'],
  ]
  return places.find(isRecord) ?? null
}

function malformed(detail: string): ModelError {
  return new ModelError('provider_malformed_response', { detail })
}
