import * as z from 'zod'
import { contentObject } from '../http/request-rule.ts'
import { storableText } from '../http/validate.ts'
import { isRecord } from '../json.ts'
import type { MessagePart, ModelMessage } from '../models/model-protocol.ts'
import { pictureText } from '../models/pictures.ts'
import { invalid } from './chat-body.ts'
import { toFilePart, toImagePart } from './chat-messages.ts'
import { address } from '../executions/inline-data.ts'

const text = storableText(4 * 1024 * 1024)
const nothing = z.null().optional()

const textPart = contentObject({ type: z.enum(['input_text', 'output_text', 'text']), text })
const refusalPart = contentObject({ type: z.literal('refusal'), refusal: text })
const imagePart = contentObject({
  type: z.literal('input_image'),
  image_url: address,
  detail: z.enum(['auto', 'low', 'high']).nullish(),
  file_id: nothing,
})
const filePart = contentObject({
  type: z.literal('input_file'),
  file_data: address.nullish(),
  file_url: address.nullish(),
  filename: storableText(255).nullish(),
  file_id: nothing,
})
const part = z.discriminatedUnion('type', [textPart, refusalPart, imagePart, filePart])
const id = storableText(512).min(1)

const item = z.discriminatedUnion('type', [
  contentObject({
    type: z.literal('message'),
    role: z.enum(['user', 'assistant', 'system', 'developer']),
    content: z.union([text, z.array(part).max(64)]),
  }),
  contentObject({ type: z.literal('function_call'), call_id: id, name: id, arguments: text }),
  contentObject({
    type: z.literal('function_call_output'),
    call_id: id,
    output: z.union([text, z.array(textPart)]),
  }),
  // Thoughts of an earlier answer: no model is shown them again.
  contentObject({ type: z.literal('reasoning') }),
  contentObject({ type: z.literal('item_reference'), id }),
  // A picture of an earlier answer: no model is shown it again.
  contentObject({ type: z.literal('image_generation_call') }),
])

/** Messages and references may come without their type. */
const typed = z.preprocess((given: unknown) => {
  if (!isRecord(given) || (given['type'] !== undefined && given['type'] !== null)) return given
  return { ...given, type: given['role'] === undefined ? 'item_reference' : 'message' }
}, item)

export const inputSchema = z.union([text.min(1), z.array(typed).min(1).max(2_048)])

export type InputItem = z.output<typeof item>
type ContentPart = z.output<typeof part>

/** Finds what an item of an earlier answer stood for; null where there is none. */
export type FindItem = (id: string) => Promise<MessagePart | null>

/**
 * The input as every model takes it.
 * @param earlier what was asked and answered before it
 * @throws AppError `invalid_request` for an output without a call and for an unknown reference
 */
export async function toInputMessages(
  input: string | readonly InputItem[],
  findItem: FindItem,
  earlier: readonly ModelMessage[] = [],
): Promise<ModelMessage[]> {
  if (typeof input === 'string') return [{ role: 'user', content: input }]
  const messages: ModelMessage[] = []
  const before = earlier.flatMap(({ parts }) => parts ?? [])
  const tools = new Map(
    before.flatMap((part) => (part.type === 'tool_call' ? [[part.id, part.name]] : [])),
  )
  const addAnswer = (piece: MessagePart) => {
    if (piece.type === 'tool_call') tools.set(piece.id, piece.name)
    const last = messages.at(-1)
    if (last?.role !== 'assistant')
      messages.push({ role: 'assistant', content: '', parts: [piece] })
    else messages[messages.length - 1] = { ...last, parts: [...(last.parts ?? []), piece] }
  }
  for (const [index, given] of input.entries()) {
    switch (given.type) {
      case 'message': {
        const parts = toParts(given.content, index)
        if (given.role === 'assistant') parts.forEach(addAnswer)
        else messages.push(toMessage(given.role === 'user' ? 'user' : 'system', parts))
        break
      }
      case 'function_call': {
        const { call_id, name, arguments: args } = given
        addAnswer({ type: 'tool_call', id: call_id, name, arguments: args })
        break
      }
      case 'function_call_output': {
        const { call_id, output } = given
        const name = tools.get(call_id)
        if (name === undefined) throw invalid(`input.${index}.call_id`, 'answers no call before it')
        const content = typeof output === 'string' ? output : output.map((one) => one.text).join('')
        const result = { type: 'tool_result', tool_call_id: call_id, name, content } as const
        messages.push({ role: 'tool', content: '', parts: [result] })
        break
      }
      case 'item_reference': {
        const found = await findItem(given.id)
        if (!found) throw invalid(`input.${index}.id`, 'is no item of an answer that is kept')
        if (found.type !== 'reasoning') addAnswer(found)
        break
      }
      case 'image_generation_call':
        addAnswer({ type: 'text', text: pictureText('image') })
        break
      case 'reasoning':
        break
    }
  }
  return messages
}

function toMessage(role: 'user' | 'system', parts: MessagePart[]): ModelMessage {
  const content = parts.map((piece) => (piece.type === 'text' ? piece.text : '')).join('')
  const isText = parts.every(({ type }) => type === 'text')
  return isText ? { role, content } : { role, content, parts }
}

function toParts(content: string | readonly ContentPart[], index: number): MessagePart[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  return content.map((given, place): MessagePart => {
    if (given.type === 'refusal') return { type: 'refusal', text: given.refusal }
    if (given.type === 'input_image') return toImagePart(given.image_url, given.detail)
    if (given.type !== 'input_file') return { type: 'text', text: given.text }
    const url = given.file_data ?? given.file_url
    if (!url) throw invalid(`input.${index}.content.${place}`, 'has neither file_data nor file_url')
    return toFilePart(url, given.filename)
  })
}
