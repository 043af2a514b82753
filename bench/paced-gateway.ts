/**
 * What a gateway is compared with, under Deno: `bare` passes the provider's stream on untouched,
 * `ai-sdk` makes a UI message stream of it with the AI SDK. Arguments: which, the upstream's URL.
 */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { streamText } from 'ai'
import process from 'node:process'

declare const Deno: {
  serve(
    options: { hostname: string; port: number; onListen: (address: { port: number }) => void },
    handler: (request: Request) => Promise<Response>,
  ): void
}

const [, , which = '', upstream = ''] = process.argv
const provider = createOpenAICompatible({ name: 'bench', baseURL: upstream, apiKey: 'key' })

async function passOn(request: Request): Promise<Response> {
  const headers = { 'content-type': 'application/json', authorization: 'Bearer key' }
  const body = await request.text()
  const answer = await fetch(`${upstream}/chat/completions`, { method: 'POST', headers, body })
  return new Response(answer.body, { headers: { 'content-type': 'text/event-stream' } })
}

async function answer(request: Request): Promise<Response> {
  const { messages } = (await request.json()) as { messages: { content: string }[] }
  const prompt = messages.at(-1)?.content ?? ''
  return streamText({ model: provider('openai/gpt-4'), prompt }).toUIMessageStreamResponse()
}

const onListen = ({ port }: { port: number }) =>
  console.log(`Listening on http://127.0.0.1:${port}`)
Deno.serve({ hostname: '127.0.0.1', port: 0, onListen }, which === 'bare' ? passOn : answer)
