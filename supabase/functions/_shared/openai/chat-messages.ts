import * as z from 'zod'
import { contentObject } from '../http/request-rule.ts'
import { storableText } from '../http/validate.ts'
import { isRecord } from '../json.ts'
import type {
  FilePart,
  MessagePart,
  ModelMessage,
  ProviderMetadata,
} from '../models/model-protocol.ts'
import { pictureText } from '../models/pictures.ts'
import { address, imageType, toFilePart as toPart } from '../executions/inline-data.ts'

/** Characters of one text; the body's limit comes first. */
const maxText = 4 * 1024 * 1024
const text = storableText(maxText)
const nothing = z.null().optional()

const textPart = contentObject({ type: z.literal('text'), text })
const imagePart = contentObject({
  type: z.literal('image_url'),
  image_url: contentObject({ url: address, detail: z.enum(['auto', 'low', 'high']).nullish() }),
})
const filePart = contentObject({
  type: z.literal('file'),
  file: contentObject({
    file_data: address,
    filename: storableText(255).nullish(),
    // Files are not kept here, so there is none to name.
    file_id: nothing,
  }),
})
const refusalPart = contentObject({ type: z.literal('refusal'), refusal: text })
const madePart = contentObject({ type: z.literal('image_url'), image_url: z.unknown() })
// Thoughts as LangChain and Anthropic write them: no other model is shown them.
const thoughtPart = contentObject({ type: z.enum(['reasoning', 'thinking', 'redacted_thinking']) })

// A picture of an earlier answer: no model is shown it again, but what stood there.
const pictures = z.array(z.unknown()).nullish().catch(null)

const toolCall = contentObject({
  id: storableText(256).min(1),
  type: z.literal('function').nullish(),
  function: contentObject({ name: storableText(64).min(1), arguments: text }),
  // The data that this endpoint sent with the call, for the model that made it; no other use.
  extra_content: contentObject({
    provider_metadata: z.looseObject({ provider: text, model: text }),
  })
    .nullish()
    .catch(null),
})

const texts = z.union([text, z.array(textPart).min(1)])

/** The messages of a chat completion request, in the forms that SDKs send them back in. */
export const chatMessageSchema = z.discriminatedUnion('role', [
  contentObject({ role: z.enum(['system', 'developer']), content: texts }),
  contentObject({
    role: z.literal('user'),
    content: z.union([
      text,
      z
        .array(z.discriminatedUnion('type', [textPart, imagePart, filePart]))
        .min(1)
        .max(64),
    ]),
  }),
  contentObject({
    role: z.literal('assistant'),
    content: z
      .union([
        text,
        z.array(z.discriminatedUnion('type', [textPart, refusalPart, thoughtPart, madePart])),
      ])
      .nullish(),
    tool_calls: z.array(toolCall).max(128).nullish(),
    refusal: text.nullish(),
    images: pictures,
    // A model would read these, if they were passed on.
    audio: nothing,
    function_call: nothing,
  }),
  contentObject({
    role: z.literal('tool'),
    content: z.union([text, z.array(textPart)]).nullish(),
    tool_call_id: storableText(256).min(1),
  }),
])

export type ChatMessage = z.output<typeof chatMessageSchema>

/** A tool's result that answers no call before it. */
export class UnknownToolCallError extends Error {
  constructor(readonly index: number) {
    super('a tool message answers no tool call before it')
  }
}

/**
 * The messages as every model takes them, one for one.
 * @throws UnknownToolCallError
 */
export function toModelMessages(messages: readonly ChatMessage[]): ModelMessage[] {
  const tools = new Map<string, string>()
  return messages.map((message, index) => {
    switch (message.role) {
      case 'system':
      case 'developer':
        return { role: 'system', content: joined(message.content) }
      case 'user':
        return withContent('user', message.content)
      case 'assistant':
        for (const { id, function: called } of message.tool_calls ?? []) tools.set(id, called.name)
        return toAssistantMessage(message)
      case 'tool': {
        const tool = tools.get(message.tool_call_id)
        if (tool === undefined) throw new UnknownToolCallError(index)
        const result = { tool_call_id: message.tool_call_id, name: tool }
        const part = {
          type: 'tool_result',
          ...result,
          content: joined(message.content ?? ''),
        } as const
        return { role: 'tool', content: '', parts: [part] }
      }
    }
  })
}

type Part = {
  readonly type: string
  readonly text?: string
  readonly refusal?: string
  readonly image_url?: unknown
}

function joined(content: string | readonly Part[]): string {
  if (typeof content === 'string') return content
  return content.map(({ text: said, refusal }) => said ?? refusal ?? '').join('')
}

/** The text of an answer, with a note in the place of each picture. */
function saidIn({ content, refusal, images }: ChatMessage & { role: 'assistant' }): string {
  const parts: readonly Part[] =
    typeof content === 'string' ? [{ type: 'text', text: content }] : (content ?? [])
  const pieces = parts.map((part) => (part.type === 'image_url' ? noteOf(part) : joined([part])))
  const text = pieces.join('') || (refusal ?? '')
  return [text, ...(images ?? []).map(noteOf)].filter((piece) => piece !== '').join('\n')
}

function noteOf(picture: unknown): string {
  const named = isRecord(picture) ? picture['image_url'] : undefined
  const url = isRecord(named) ? named['url'] : named
  const [, type = 'image'] =
    (typeof url === 'string' && /^data:([\w./+-]{1,80})[;,]/.exec(url)) || []
  return pictureText(type)
}

function withContent(role: 'user', content: (ChatMessage & { role: 'user' })['content']) {
  if (typeof content === 'string') return { role, content }
  const parts = content.map((part): MessagePart => {
    if (part.type === 'text') return part
    if (part.type === 'file') return toFilePart(part.file.file_data, part.file.filename)
    return toImagePart(part.image_url.url, part.image_url.detail)
  })
  return { role, content: joined(content), parts }
}

function toAssistantMessage(message: ChatMessage & { role: 'assistant' }): ModelMessage {
  const content = saidIn(message)
  const calls = (message.tool_calls ?? []).map((call): MessagePart => {
    const { id, function: called, extra_content } = call
    const { name, arguments: args } = called
    // Goes back only to the provider and model that it names, so it need not be trusted.
    const metadata = extra_content?.provider_metadata as ProviderMetadata | undefined
    const known = { type: 'tool_call', id, name, arguments: args } as const
    return metadata === undefined ? known : { ...known, provider_metadata: metadata }
  })
  if (calls.length === 0) return { role: 'assistant', content }
  const said: MessagePart[] = content === '' ? [] : [{ type: 'text', text: content }]
  return { role: 'assistant', content, parts: [...said, ...calls] }
}

export function toImagePart(url: string, detail: string | null | undefined): FilePart {
  const asked = detail === 'low' || detail === 'high' ? ({ detail } as const) : {}
  return toPart(url, imageType(url), asked)
}

export function toFilePart(url: string, filename: string | null | undefined): FilePart {
  return toPart(url, 'application/pdf', filename ? { filename } : {})
}
