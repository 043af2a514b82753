import { generateText } from 'ai'
import { createOpenRouter } from '@openrouter/ai-sdk-provider'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { frame, stop } from '../support/agents/chat-stream.ts'
import { eventStream, json } from '../support/agents/raw-http.ts'
import { useChatStage } from '../support/clients/chat-stage.ts'
import { accessToken } from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
const stage = useChatStage()
const { open, says, asked } = stage
const url = `data:image/png;base64,${'iVBORw0KGgo'.repeat(12)}`
const image = (data: string) => ({ images: [{ type: 'image_url', image_url: { url: data } }] })
const draws = (data = url) =>
  stage.scripted.answer(eventStream([frame({ content: 'Here.' }), frame(image(data)), stop]))
const drawsWhole = () => {
  const message = { role: 'assistant', content: 'Here.', ...image(url) }
  const choices = [{ index: 0, message, finish_reason: 'stop' }]
  stage.scripted.answer([json(200, { id: 'gen-1', choices })])
}
const filesOf = ({ parts = [] }: { parts?: readonly object[] } = {}) =>
  parts.filter((part) => 'type' in part && part.type === 'file')
const file = { type: 'file', url, mediaType: 'image/png' }

describe('a picture that a model made', () => {
  it('is a file of the chat, of a later reader, and after a reload', async () => {
    const { chat, transport } = open()
    draws()
    await chat.sendMessage({ text: 'Draw' })
    expect([chat.error, chat.text(), filesOf(chat.messages.at(-1))]).toEqual([
      undefined,
      'Here.',
      [file],
    ])
    const [message] = await transport.loadMessages(chat.id).then((all) => all.slice(-1))
    expect(filesOf(message)).toEqual([file])

    says('Bluer.')
    await chat.sendMessage({ text: 'Bluer' })
    expect([chat.error, chat.text()]).toEqual([undefined, 'Bluer.'])
    expect(asked()).toEqual([
      'user: Draw',
      'assistant: Here.[image/png, made by the model]',
      'user: Bluer',
    ])
    const [second] = await sql<{ input: string }[]>`
      select estimated_input_tokens::text as input from public.agent_executions
      where session_id = ${chat.id} order by created_at desc limit 1`
    expect(Number(second?.input), 'nobody pays for the picture again').toBeLessThan(2_000)
  })

  it('of three megabytes comes whole, and a slow client is not taken for a lost one', async () => {
    const { chat } = open()
    const large = `data:image/png;base64,${'A'.repeat(4 * 1024 * 1024)}`
    draws(large)
    await chat.sendMessage({ text: 'Draw' })
    expect(chat.error).toBeUndefined()
    expect(filesOf(chat.messages.at(-1))).toEqual([{ ...file, url: large }])
  }, 60_000)

  it.each([false, true])('stands where each dialect has it (stream: %s)', async (stream) => {
    const picture = [{ type: 'image_url', image_url: { url }, index: 0 }]
    const answer = stream ? () => draws() : drawsWhole
    const apiKey = await accessToken(stage.ann)
    const client = new OpenAI({ baseURL: stage.scripted.baseURL, apiKey, maxRetries: 0 })
    const model = stage.agent
    const messages = [{ role: 'user' as const, content: 'Draw' }]
    answer()
    if (stream) {
      const chunks = await client.chat.completions.create({ model, messages, stream })
      const images: unknown[] = []
      for await (const { choices } of chunks) {
        const delta = choices[0]?.delta as { images?: unknown[] } | undefined
        images.push(...(delta?.images ?? []))
      }
      expect(images).toEqual(picture)
    } else {
      const { choices } = await client.chat.completions.create({ model, messages })
      expect(choices[0]?.message).toMatchObject({ content: 'Here.', images: picture })
    }
    answer()
    const call = { type: 'image_generation_call', status: 'completed', result: url.slice(22) }
    const response = stream
      ? await client.responses.stream({ model, input: 'Draw' }).finalResponse()
      : await client.responses.create({ model, input: 'Draw' })
    expect(response.output).toMatchObject([{ type: 'message' }, call])
    says('Bluer.')
    // Clients send all items back, or name them.
    const again = [
      ...response.output,
      { role: 'user', content: 'Bluer' },
    ] as OpenAI.Responses.ResponseInput
    await client.responses.create({ model, input: again })
    expect(asked()).toEqual(['assistant: Here.[image, made by the model]', 'user: Bluer'])
  })

  it('is a file of the AI SDK over OpenRouter’s provider', async () => {
    const provider = createOpenRouter({
      baseURL: stage.scripted.baseURL,
      apiKey: await accessToken(stage.ann),
    })
    drawsWhole()
    const { files } = await generateText({ model: provider.chat(stage.agent), prompt: 'Draw' })
    expect(files).toMatchObject([{ mediaType: 'image/png', base64: url.slice(22) }])
  })
})
