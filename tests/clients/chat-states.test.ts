import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { useChatStage } from '../support/clients/chat-stage.ts'
import type { PlainChat } from '../support/clients/plain-chat.ts'

const stage = useChatStage()
const { open, says, asked, executions, waiting } = stage
const texts = (chat: PlainChat) => chat.messages.map((_, index) => chat.text(index))
const aSentence = /^[A-Z][^{}]*\.$/

describe('a chat in a state that its page did not foresee', () => {
  it('is stopped twice like once', async () => {
    const { chat } = open()
    const goOn = waiting()
    const sending = chat.sendMessage({ text: 'Tell me' })
    await expect.poll(() => chat.text()).toBe('Part one.')
    await Promise.all([chat.stop(), chat.stop()])
    await sending
    await chat.stop()
    says('Yes.')
    await chat.sendMessage({ text: 'There?' })
    expect([chat.error, chat.text()]).toEqual([undefined, 'Yes.'])
    expect(await executions(chat.id)).toMatchObject([
      { status: 'cancelled' },
      { status: 'success' },
    ])
    goOn()
  })

  it('goes on in two tabs, of which neither knows what the other asked', async () => {
    const first = open()
    says('One.', 'Two.', 'Three.', 'Two again.')
    await first.chat.sendMessage({ text: 'First' })
    const second = open({ id: first.chat.id })
    second.chat.messages = await second.transport.loadMessages(second.chat.id)
    await first.chat.sendMessage({ text: 'Second' })
    await second.chat.sendMessage({ text: 'Third' })
    expect(asked()).toEqual([
      ...['user: First', 'assistant: One.', 'user: Second', 'assistant: Two.'],
      'user: Third',
    ])
    await first.chat.regenerate()
    expect([first.chat.error, first.chat.text()]).toEqual([undefined, 'Two again.'])
    expect(asked()).toEqual(['user: First', 'assistant: One.', 'user: Second'])
    expect([second.chat.error, second.chat.text()]).toEqual([undefined, 'Three.'])
  })

  it('that another tab deleted says so, and is not made again', async () => {
    const { chat } = open()
    says('One.')
    await chat.sendMessage({ text: 'First' })
    await stage.ann.client.from('chat_sessions').delete().eq('id', chat.id)
    await chat.sendMessage({ text: 'Second' })
    expect(chat.error).toMatchObject({ code: 'session_not_found' })
    expect(chat.error?.message).toMatch(aSentence)
    const { data } = await stage.ann.client.from('chat_sessions').select('id').eq('id', chat.id)
    expect(data).toEqual([])
  })

  it('that begins with a greeting of its page is made with the first message', async () => {
    const { chat } = open()
    chat.messages = [
      { id: randomUUID(), role: 'assistant', parts: [{ type: 'text', text: 'How can I help?' }] },
    ]
    says('So.')
    await chat.sendMessage({ text: 'First' })
    expect([chat.error, texts(chat)]).toEqual([undefined, ['How can I help?', 'First', 'So.']])
  })

  it.each([
    ['of no bytes', ''],
    ['of more bytes than a message may have', Buffer.alloc(24 * 1024 * 1024).toString('base64')],
  ])(
    'refuses a file %s with a sentence, and goes on without it',
    { timeout: 120_000 },
    async (_, data) => {
      const { chat } = open()
      const url = `data:image/png;base64,${data}`
      says('Better.')
      const files = [{ type: 'file' as const, url, mediaType: 'image/png' }]
      await chat.sendMessage({ text: 'Look', files })
      expect(chat.error?.message).toMatch(aSentence)
      await chat.sendMessage({ text: 'Without', messageId: chat.messages[0]?.id ?? '' })
      expect([chat.error, texts(chat)]).toEqual([undefined, ['Without', 'Better.']])
    },
  )

  it('gives the model a file of five megabytes', { timeout: 120_000 }, async () => {
    const { chat } = open()
    const url = `data:image/png;base64,${Buffer.alloc(5 * 1024 * 1024).toString('base64')}`
    says('Large.')
    await chat.sendMessage({ text: 'Look', files: [{ type: 'file', url, mediaType: 'image/png' }] })
    expect([chat.error, chat.text()]).toEqual([undefined, 'Large.'])
  })
})
