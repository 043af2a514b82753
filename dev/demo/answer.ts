import { FunctionsHttpError } from '@supabase/supabase-js'
import type { Client } from './person.ts'
import { DemoStopped } from './report.ts'

/** What a streamed answer brought. */
export interface DemoAnswer {
  executionId: string
  sessionId: string
  text: string
  /** How many reads of the connection brought text: 1 means that it came all at once. */
  arrivals: number
  firstTextMs: number
  lastTextMs: number
  /** Types of the events, `[DONE]` last. */
  events: string[]
  finishReason: string | undefined
  usage: { input_tokens: number | null; output_tokens: number | null } | undefined
}

/** The events of an AI SDK UI message stream that the demo looks at. */
interface StreamEvent {
  type: string
  delta?: string
  errorText?: string
  finishReason?: string
  messageMetadata?: { execution_id?: string; session_id?: string; usage?: DemoAnswer['usage'] }
}

/**
 * Asks an agent through the function `agents` and hands each piece of the answer on as it arrives.
 *
 * @throws DemoStopped when the request is refused or the stream ends with an error
 */
export async function ask(
  client: Client,
  body: Record<string, unknown>,
  onText: (piece: string) => void,
): Promise<DemoAnswer> {
  const began = performance.now()
  const invoked = await client.functions.invoke<unknown>('agents/invoke', { body })
  if (invoked.error !== null) throw new DemoStopped(await explain(invoked.error))
  // supabase-js hands an event stream over as the Response itself.
  const response = invoked.data
  if (!(response instanceof Response) || response.body === null) {
    throw new DemoStopped('The function answered, but not with a stream.')
  }
  const answer: DemoAnswer = {
    executionId: '',
    sessionId: '',
    text: '',
    arrivals: 0,
    firstTextMs: 0,
    lastTextMs: 0,
    events: [],
    finishReason: undefined,
    usage: undefined,
  }
  let rest = ''
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split('\n\n')
    rest = blocks.pop() ?? ''
    const text = blocks.map((block) => take(answer, block)).join('')
    if (text === '') continue
    answer.lastTextMs = performance.now() - began
    if (answer.arrivals === 0) answer.firstTextMs = answer.lastTextMs
    answer.arrivals += 1
    answer.text += text
    onText(text)
  }
  return answer
}

/** Notes one event and returns the text it brings. */
function take(answer: DemoAnswer, block: string): string {
  const data = /^data: (.*)$/m.exec(block)?.[1]
  if (data === undefined) return ''
  if (data === '[DONE]') {
    answer.events.push(data)
    return ''
  }
  const event = JSON.parse(data) as StreamEvent
  answer.events.push(event.type)
  answer.executionId = event.messageMetadata?.execution_id ?? answer.executionId
  answer.sessionId = event.messageMetadata?.session_id ?? answer.sessionId
  if (event.type === 'error') throw new DemoStopped(`The answer failed: ${event.errorText ?? ''}`)
  if (event.type === 'finish') {
    answer.finishReason = event.finishReason
    answer.usage = event.messageMetadata?.usage
  }
  return event.type === 'text-delta' ? (event.delta ?? '') : ''
}

/** Status and body of a refused call of a function. */
export async function explain(error: unknown): Promise<string> {
  if (!(error instanceof FunctionsHttpError)) return String(error)
  const response = error.context as Response
  return `${response.status} ${await response.text()}`
}
