import type { Db } from '../database.ts'
import { AppError } from '../errors.ts'
import { readResult } from '../executions/stream/log-reader.ts'
import { toPartEvents } from '../executions/models.ts'
import type { MessagePart, ModelTool, ResponseFormat } from '../models/model-protocol.ts'
import { invalid } from './chat-body.ts'
import { partsOf } from './chat-completion.ts'
import { chatLimit, type ChatRequest, toAnswerSchema, toEndUser } from './chat-request.ts'
import { checkCallsAnswered, readPrevious } from './previous-response.ts'
import { responseDialect } from './response-dialect.ts'
import { ResponseItems } from './response-items.ts'
import { readResponsesBody, type ResponsesBody } from './responses-body.ts'
import { type FindItem, toInputMessages } from './responses-input.ts'
import { pictureText } from '../models/pictures.ts'

/**
 * A request for a response, checked and in our own words.
 * @param db the caller's, to find the answers that items of the input refer to
 * @throws AppError `invalid_request` with the path of the first offending parameter
 */
export async function readResponsesRequest(db: Db, json: unknown): Promise<ChatRequest> {
  const body = readResponsesBody(json)
  const { instructions, parallel_tool_calls: parallel, tool_choice: choice } = body
  const format = toFormat(body)
  const previous = await readPrevious(db, body.previous_response_id)
  const earlier = previous?.messages ?? []
  const quoted: Answers = new Map()
  const findItem = itemFinder(db, [earlier, body.input], quoted)
  const input = await toInputMessages(body.input, findItem, earlier)
  checkCallsAnswered(earlier, input)
  const tools = body.tools?.map(toTool)
  const system = instructions ? [{ role: 'system' as const, content: instructions }] : []
  const params = {
    temperature: body.temperature,
    top_p: body.top_p,
    max_output_tokens: body.max_output_tokens,
    reasoning_effort: body.reasoning?.effort,
  }
  const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== null)
  return {
    model: body.model,
    stream: body.stream === true,
    dialect: responseDialect(echoOf(body)),
    messages: [instructions ?? null, body.input],
    asked: {
      // Instructions are of one request: OpenAI does not carry them over either.
      messages: [...system, ...earlier, ...input],
      ...(tools && { tools }),
      ...(tools &&
        choice && { toolChoice: typeof choice === 'string' ? choice : { name: choice.name } }),
      ...(typeof parallel === 'boolean' && { parallelToolCalls: parallel }),
      ...(format && { responseFormat: format }),
    },
    answerSchema: toAnswerSchema(format, ['text', 'format', 'schema']),
    params: Object.fromEntries(given),
    ...toEndUser(body),
    ...(quoted.size > 0 && { refers: [...quoted.keys()] }),
    ...(body.store !== false && { kept: { messages: input, previous } }),
  }
}

function toTool(declared: NonNullable<ResponsesBody['tools']>[number]): ModelTool {
  const { name, description, parameters, strict } = declared
  return {
    name,
    ...(typeof description === 'string' && { description }),
    parameters: parameters ?? { type: 'object', properties: {} },
    ...(typeof strict === 'boolean' && { strict }),
  }
}

function toFormat({ text }: ResponsesBody): ResponseFormat | null {
  const format = text?.format
  if (!format || format.type === 'text') return null
  if (format.type === 'json_object') return { type: 'json_object' }
  const { name, description, schema, strict } = format
  return {
    type: 'json_schema',
    name,
    schema,
    ...(typeof description === 'string' && { description }),
    strict: strict === true,
  }
}

/** What OpenAI's clients expect to find again in the answer. */
function echoOf(body: ResponsesBody): Record<string, unknown> {
  return {
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: body.reasoning?.summary ?? null },
    store: body.store ?? true,
    temperature: body.temperature ?? null,
    text: { format: body.text?.format ?? { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_p: body.top_p ?? null,
    truncation: 'disabled',
  }
}

/** What the items of answers stand for, by execution and by item. */
type Answers = Map<string, Map<string, MessagePart>>

/** Answers to whose items one request may refer: each is a read. */
const maxAnswers = 64

/**
 * Items that a client refers to are looked up in the answer whose id they carry, as the caller. What
 * they stand for counts as if the client had sent it.
 */
function itemFinder(db: Db, given: unknown, answers: Answers): FindItem {
  let bytes = bytesOf(given)
  return async (id) => {
    const [, execution] =
      /^(?:msg|rs|fc|ig)_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_/.exec(id) ?? []
    if (execution === undefined) return null
    let items = answers.get(execution)
    if (!items) {
      if (answers.size >= maxAnswers) {
        throw invalid('input', `refers to more than ${maxAnswers} answers`)
      }
      items = await readItems(db, execution)
      answers.set(execution, items)
    }
    const found = items.get(id)
    if (!found) return null
    bytes += bytesOf(found)
    if (bytes > chatLimit.bytes) {
      throw invalid('input', `is longer than ${chatLimit.bytes} bytes with what it refers to`)
    }
    return found
  }
}

function bytesOf(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).byteLength
}

/** What the items of an answer stand for, by their ids. */
async function readItems(db: Db, execution: string): Promise<Map<string, MessagePart>> {
  const items = new ResponseItems(execution)
  items.add((await readParts(db, execution)).flatMap(toPartEvents))
  items.end()
  return new Map(items.output.map((item) => [item.id, toPart(item)]))
}

function toPart(item: ResponseItems['output'][number]): MessagePart {
  if (item['type'] === 'reasoning') return { type: 'reasoning', text: '' }
  if (item['type'] === 'image_generation_call') return { type: 'text', text: pictureText('image') }
  if (item['type'] === 'message') {
    const content = item['content'] as { text?: string; refusal?: string }[]
    return { type: 'text', text: content.map((one) => one.text ?? one.refusal ?? '').join('') }
  }
  const { call_id, name, arguments: args } = item as unknown as Record<string, string>
  return { type: 'tool_call', id: call_id ?? '', name: name ?? '', arguments: args ?? '' }
}

async function readParts(db: Db, execution: string): Promise<readonly MessagePart[]> {
  try {
    return partsOf((await readResult(db, execution)).message)
  } catch (error) {
    if (error instanceof AppError && error.code === 'execution_not_found') return []
    throw error
  }
}
