import { isRecord } from '../json.ts'
import { ModelError } from './model-error.ts'
import type { MessagePart, ModelMessage, ModelRequest, ProviderMetadata } from './model-protocol.ts'

type Json = Record<string, unknown>
interface Content {
  role: 'user' | 'model'
  parts: Json[]
}

export const VERTEX_PROVIDER = 'vertex-ai'

/** The body of `generateContent` and `streamGenerateContent`, Vertex AI v1. */
export function toGenerateContentRequest(request: ModelRequest): Json {
  const system = [
    ...request.systemPrompts,
    ...request.messages
      .filter((message) => message.role === 'system')
      .map(({ content }) => content),
  ].filter((text) => text !== '')
  const body: Json = { contents: toContents(request) }
  if (system.length > 0) body['systemInstruction'] = { parts: system.map((text) => ({ text })) }
  const generation = toGenerationConfig(request)
  if (Object.keys(generation).length > 0) body['generationConfig'] = generation
  const tools = request.tools ?? []
  if (tools.length > 0) {
    const functionDeclarations = tools.map(({ name, description, parameters }) => ({
      name,
      ...(description !== undefined && { description }),
      parametersJsonSchema: parameters,
    }))
    body['tools'] = [{ functionDeclarations }]
    body['toolConfig'] = { functionCallingConfig: toCallingConfig(request.toolChoice ?? 'auto') }
  }
  return body
}

function toCallingConfig(choice: NonNullable<ModelRequest['toolChoice']>): Json {
  if (typeof choice === 'object') return { mode: 'ANY', allowedFunctionNames: [choice.name] }
  return { mode: { auto: 'AUTO', none: 'NONE', required: 'ANY' }[choice] }
}

function toGenerationConfig({ model, params, responseFormat }: ModelRequest): Json {
  const values: Json = {
    temperature: params.temperature,
    maxOutputTokens: params.max_output_tokens,
    topP: params.top_p,
    topK: params.top_k,
    stopSequences: params.stop,
    seed: params.seed,
    presencePenalty: params.presence_penalty,
    frequencyPenalty: params.frequency_penalty,
    thinkingConfig: params.reasoning_effort && toThinking(model, params.reasoning_effort),
  }
  if (responseFormat !== undefined) {
    values['responseMimeType'] = 'application/json'
    if (responseFormat.type === 'json_schema') values['responseJsonSchema'] = responseFormat.schema
  }
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

/** Gemini 3 has levels for it, earlier models a number of tokens. */
function toThinking(model: string, effort: Effort): Json {
  if (!/^gemini-[3-9]/.test(model)) return { thinkingBudget: thinkingBudgets[effort] }
  return {
    thinkingLevel: effort === 'none' || effort === 'minimal' ? 'LOW' : thinkingLevels[effort],
  }
}

type Effort = NonNullable<ModelRequest['params']['reasoning_effort']>
const thinkingLevels = { low: 'LOW', medium: 'MEDIUM', high: 'HIGH', xhigh: 'HIGH' } as const
const thinkingBudgets: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 512,
  low: 1_024,
  medium: 8_192,
  high: 24_576,
  xhigh: 24_576,
}

/** Neighbours of one role become one content: all results of a round of calls must be together. */
function toContents({ messages, model }: ModelRequest): Content[] {
  const contents: Content[] = []
  for (const message of messages) {
    if (message.role === 'system') continue
    const role = message.role === 'assistant' ? 'model' : 'user'
    const parts = toParts(message, model)
    const last = contents.at(-1)
    if (last?.role === role) last.parts.push(...parts)
    else if (parts.length > 0) contents.push({ role, parts })
  }
  return contents
}

function toParts({ content, parts }: ModelMessage, model: string): Json[] {
  if (parts === undefined || parts === null || parts.length === 0) {
    return content === '' ? [] : [{ text: content }]
  }
  const shown = parts.flatMap((part) => (part.type === 'tool_result' ? (part.files ?? []) : []))
  // All results of a round come first, and then what they showed.
  return [...parts, ...shown].flatMap((part) => toPart(part, model))
}

function toPart(part: MessagePart, model: string): Json[] {
  switch (part.type) {
    case 'text': {
      const signature = signatureOf(part.provider_metadata, model)
      const empty = part.text === '' && signature['thoughtSignature'] === undefined
      return empty ? [] : [{ text: part.text, ...signature }]
    }
    case 'refusal':
      return [{ text: part.text }]
    case 'image':
    case 'file':
      return [
        { ...toDataPart(part.url, part.media_type), ...signatureOf(part.provider_metadata, model) },
      ]
    case 'tool_call': {
      const call = { name: part.name, args: parseObject(part.arguments) ?? {} }
      return [{ functionCall: call, ...signatureOf(part.provider_metadata, model) }]
    }
    case 'tool_result': {
      const field = part.is_error === true ? 'error' : 'result'
      const response = parseObject(part.content) ?? { [field]: part.content }
      return [{ functionResponse: { name: part.name, response } }]
    }
    case 'source':
    case 'reasoning':
      return [] // Thoughts are summaries; what Gemini needs of them is the signature elsewhere.
  }
}

/** Only for the model that made it: Gemini rejects a signature after a change of model. */
function signatureOf(metadata: ProviderMetadata | undefined, model: string): Json {
  if (metadata?.provider !== VERTEX_PROVIDER || metadata.model !== model) return {}
  const signature = metadata['thoughtSignature']
  return typeof signature === 'string' ? { thoughtSignature: signature } : {}
}

function toDataPart(url: string, mimeType: string): Json {
  const inline = /^data:([^;,]*);base64,(.*)$/s.exec(url)
  if (inline === null) {
    // gs:// and the like are read with the rights of our own account, which the caller has not.
    if (!/^https:/i.test(url)) {
      throw new ModelError('provider_rejected_request', { detail: 'a file that is not at https' })
    }
    return { fileData: { fileUri: url, mimeType } }
  }
  return { inlineData: { mimeType: inline[1] === '' ? mimeType : inline[1], data: inline[2] } }
}

/** The object in a JSON text, or null: the model or a tool may have written anything. */
function parseObject(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : null
  } catch {
    return null
  }
}
