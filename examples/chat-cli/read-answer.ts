/** An event of the stream (AI SDK UI message stream v1), as far as this client looks at it. */
interface StreamEvent {
  type: string
  delta?: string
  errorText?: string
  reason?: string
  messageMetadata?: { session_id?: string }
}

/** What a stream says, one thing at a time. */
export type AnswerPiece =
  { kind: 'session'; id: string } | { kind: 'text'; text: string } | { kind: 'end' }

/**
 * Reads a streamed answer of `agents/invoke` piece by piece.
 *
 * @throws Error when the answer failed, was cancelled, or ended without saying how: an answer is
 *   complete only after `finish`
 */
export async function* readAnswer(body: ReadableStream<Uint8Array>): AsyncGenerator<AnswerPiece> {
  for await (const data of readData(body)) {
    if (data === '[DONE]') continue
    const event = JSON.parse(data) as StreamEvent
    const session = event.messageMetadata?.session_id
    if (event.type === 'start' && session !== undefined) yield { kind: 'session', id: session }
    if (event.type === 'text-delta') yield { kind: 'text', text: event.delta ?? '' }
    if (event.type === 'error') throw new Error(event.errorText)
    if (event.type === 'abort') throw new Error(`cancelled: ${event.reason ?? 'no reason given'}`)
    if (event.type === 'finish') {
      yield { kind: 'end' }
      return
    }
  }
  throw new Error('the connection was cut before the answer was complete')
}

/** The `data` of server-sent events; ours always has it on one line. */
async function* readData(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1]
      if (data !== undefined) yield data
    }
  }
}
