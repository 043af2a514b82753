import { describe, expect, it } from 'vitest'
import { ColloquyError } from '../../client/index.ts'
import { useChatStage } from '../support/clients/chat-stage.ts'
import { urlOf } from '../support/clients/plain-chat.ts'

const stage = useChatStage()
const { open, says, asked, executions, waiting } = stage

describe('a chat over the transport', () => {
  it('is a session with its own id, and goes on in it', async () => {
    const { chat } = open()
    says('One.', 'Two.')
    await chat.sendMessage({ text: 'First' })
    await chat.sendMessage({ text: 'Second' })
    expect(chat.error).toBeUndefined()
    expect(chat.messages.map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
    ])
    expect(asked()).toEqual(['user: First', 'assistant: One.', 'user: Second'])
    const { data } = await stage.ann.client
      .from('chat_sessions')
      .select('id, title')
      .eq('id', chat.id)
    expect(data).toEqual([{ id: chat.id, title: 'First' }])
  })

  it('answers again, the last and an earlier time, and keeps each answer as a branch', async () => {
    const { chat } = open()
    says('One.', 'Two.', 'Two again.', 'One again.')
    await chat.sendMessage({ text: 'First' })
    await chat.sendMessage({ text: 'Second' })
    await chat.regenerate()
    expect(chat.text()).toBe('Two again.')
    expect(asked()).toEqual(['user: First', 'assistant: One.', 'user: Second'])
    await chat.regenerate({ messageId: chat.messages[1]?.id ?? '' })
    expect(chat.messages).toHaveLength(2)
    expect(chat.text()).toBe('One again.')
    const { data } = await stage.ann.client
      .from('chat_messages')
      .select('content')
      .eq('session_id', chat.id)
      .eq('role', 'assistant')
      .order('created_at')
    expect(data?.map(({ content }) => content)).toEqual([
      'One.',
      'Two.',
      'Two again.',
      'One again.',
    ])
  })

  it('tries again after a failure that was stored, and after one that was not', async () => {
    const { chat } = open()
    stage.scripted.answer(['HTTP/1.1 400 Bad\r\ncontent-length: 2\r\n\r\n{}'], {
      text: ['Better.'],
    })
    await chat.sendMessage({ text: 'Hi' })
    expect(chat.error).toBeInstanceOf(ColloquyError)
    await chat.regenerate()
    expect([chat.error, chat.text()]).toEqual([undefined, 'Better.'])

    let fails = true
    const lost = open({
      send: (...args) => (fails ? Promise.reject(new TypeError('fetch failed')) : fetch(...args)),
    })
    await lost.chat.sendMessage({ text: 'Hello' })
    expect(lost.chat.error).toBeInstanceOf(TypeError)
    fails = false
    says('Here.')
    await lost.chat.regenerate()
    expect([lost.chat.error, lost.chat.text()]).toEqual([undefined, 'Here.'])
  })

  it('branches where a message was edited, the first one too, and again', async () => {
    const { chat } = open()
    says('One.', 'Two.', 'Other.', 'Third.', 'Start.')
    await chat.sendMessage({ text: 'First' })
    await chat.sendMessage({ text: 'Second' })
    const edited = chat.messages[2]?.id ?? ''
    await chat.sendMessage({ text: 'Edited', messageId: edited })
    expect(chat.text()).toBe('Other.')
    expect(asked()).toEqual(['user: First', 'assistant: One.', 'user: Edited'])
    await chat.sendMessage({ text: 'Edited twice', messageId: edited })
    expect(asked()).toEqual(['user: First', 'assistant: One.', 'user: Edited twice'])
    await chat.sendMessage({ text: 'Anew', messageId: chat.messages[0]?.id ?? '' })
    expect(asked()).toEqual(['user: Anew'])
    expect([chat.error, chat.messages.length]).toEqual([undefined, 2])
  })

  it('stops the model, keeps the part, and answers the next message', async () => {
    const { chat } = open()
    const goOn = waiting()
    const sending = chat.sendMessage({ text: 'Tell me' })
    await expect.poll(() => chat.text()).toBe('Part one.')
    await chat.stop()
    await sending
    says('Yes.')
    await chat.sendMessage({ text: 'Still there?' })
    expect([chat.error, chat.text()]).toEqual([undefined, 'Yes.'])
    expect(await executions(chat.id)).toEqual([
      { status: 'cancelled', error_code: 'execution_cancelled' },
      { status: 'success', error_code: null },
    ])
    expect(asked()).toEqual(['user: Tell me', 'assistant: Part one.', 'user: Still there?'])
    goOn()
  })

  it('stops an answer that has not begun', async () => {
    let arrived = () => undefined as void
    const begun = new Promise<void>((resolve) => (arrived = resolve))
    const { chat } = open({
      async send(target, init) {
        const response = await fetch(target, init)
        if (urlOf(target).endsWith('/invoke')) {
          arrived()
          await stopped
        }
        return response
      },
    })
    let tell = () => undefined as void
    const stopped = new Promise<void>((resolve) => (tell = resolve))
    const goOn = waiting()
    const sending = chat.sendMessage({ text: 'Tell me' })
    await begun
    const stopping = chat.stop()
    tell()
    await Promise.all([stopping, sending])
    await expect.poll(() => executions(chat.id)).toMatchObject([{ status: 'cancelled' }])
    expect(chat.status).toBe('ready')
    goOn()
  })

  it('rates an answer, and takes the rating back', async () => {
    const { chat, transport } = open()
    says('One.')
    await chat.sendMessage({ text: 'First' })
    const answer = chat.messages.at(-1)?.id ?? ''
    const ratings = async () => {
      const { data, error } = await stage.ann.client
        .schema('conversation')
        .from('message_feedback')
        .select('rating, comment')
        .eq('message_id', answer)
      expect(error).toBeNull()
      return data
    }
    await transport.rate(answer, 'down', 'Too short.')
    expect(await ratings()).toEqual([{ rating: 'down', comment: 'Too short.' }])
    await transport.rate(answer, null)
    expect(await ratings()).toEqual([])
    const absent = transport.rate(chat.messages[0]?.id ?? '', 'up')
    await expect(absent).rejects.toMatchObject({ code: 'message_not_found' })
  })

  it('gives the model a picture of the person', async () => {
    const { chat } = open()
    says('A pixel.')
    const url = 'data:image/png;base64,AAAA'
    const files = [{ type: 'file' as const, url, mediaType: 'image/png', filename: 'a.png' }]
    await chat.sendMessage({ text: 'What is this?', files })
    expect([chat.error, chat.text()]).toEqual([undefined, 'A pixel.'])
    expect(JSON.stringify(stage.scripted.asked())).toContain(url)
  })

  it('waits for what another device asked in the same chat', async () => {
    const { chat } = open()
    const goOn = waiting()
    const sending = chat.sendMessage({ text: 'Tell me' })
    await expect.poll(() => chat.text()).toBe('Part one.')
    const other = open({ id: chat.id })
    const queued = other.chat.sendMessage({ text: 'Me too' })
    await expect.poll(() => executions(chat.id)).toHaveLength(2)
    says('Second.')
    goOn()
    await Promise.all([sending, queued])
    expect([other.chat.error, other.chat.text()]).toEqual([undefined, 'Second.'])
  })

  it('says why it failed in a sentence, with the code for a program', async () => {
    const { chat } = open({ agent: 'absent' })
    await chat.sendMessage({ text: 'Hi' })
    expect(chat.error).toMatchObject({ code: 'agent_not_found', details: { status: 404 } })
    expect(chat.error?.message).toMatch(/^[A-Z][^{}]*\.$/)

    const stream = open()
    stage.scripted.answer(['HTTP/1.1 400 Bad\r\ncontent-length: 2\r\n\r\n{}'])
    await stream.chat.sendMessage({ text: 'Hi' })
    expect(stream.chat.error).toMatchObject({ code: 'provider_rejected_request' })
    expect(stream.chat.error?.message).toMatch(/^[A-Z][^{}]*\.$/)
  })

  it('refuses a chat whose id is none of a session', async () => {
    const { chat } = open({ id: 'chat-1' })
    await chat.sendMessage({ text: 'Hi' })
    expect(chat.error?.message).toBe('The id of a chat must be a uuid.')
  })
})
