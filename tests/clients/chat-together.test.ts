import { describe, expect, it } from 'vitest'
import { useChatStage } from '../support/clients/chat-stage.ts'
import type { Device, PlainChat } from '../support/clients/plain-chat.ts'

const stage = useChatStage()
const { open, says, asked, executions, waiting } = stage
const texts = (chat: PlainChat) => chat.messages.map((_, index) => chat.text(index))
const loaded = async ({ chat, transport }: Device) => {
  const fresh = open({ id: chat.id })
  fresh.chat.messages = await transport.loadMessages(chat.id)
  return texts(fresh.chat)
}

describe('a chat whose answer is being written', () => {
  it('writes another one instead when it is asked again, and stops the first', async () => {
    const device = open()
    const { chat } = device
    const goOn = waiting()
    const first = chat.sendMessage({ text: 'Tell me' })
    await expect.poll(() => chat.text()).toBe('Part one.')
    says('Another.')
    const second = chat.regenerate()
    await Promise.all([first, second])
    goOn()
    expect([chat.error, chat.status, texts(chat)]).toEqual([
      undefined,
      'ready',
      ['Tell me', 'Another.'],
    ])
    expect(asked()).toEqual(['user: Tell me'])
    expect(await executions(chat.id)).toMatchObject([
      { status: 'cancelled' },
      { status: 'success' },
    ])
    expect(await loaded(device)).toEqual(['Tell me', 'Another.'])
    says('Next.')
    await chat.sendMessage({ text: 'And?' })
    expect(asked()).toEqual(['user: Tell me', 'assistant: Another.', 'user: And?'])
  })

  it.each([
    ['the message that is answered', 2],
    ['an earlier message', 0],
  ])('answers an edit of %s instead', async (_, index) => {
    const device = open()
    const { chat } = device
    says('One.')
    await chat.sendMessage({ text: 'First' })
    const goOn = waiting()
    const first = chat.sendMessage({ text: 'Second' })
    await expect.poll(() => chat.text()).toBe('Part one.')
    says('Edited answer.')
    const messageId = chat.messages[index]?.id ?? ''
    const second = chat.sendMessage({ text: 'Edited', messageId })
    await Promise.all([first, second])
    goOn()
    const before = index === 0 ? [] : ['First', 'One.']
    expect([chat.error, chat.status, texts(chat)]).toEqual([
      undefined,
      'ready',
      [...before, 'Edited', 'Edited answer.'],
    ])
    expect(await executions(chat.id)).toMatchObject([
      { status: 'success' },
      { status: 'cancelled' },
      { status: 'success' },
    ])
    expect(await loaded(device)).toEqual([...before, 'Edited', 'Edited answer.'])
  })

  it('is asked again twice at once like once after the other', async () => {
    const device = open()
    const { chat } = device
    says('One.')
    await chat.sendMessage({ text: 'First' })
    says('Two.', 'Three.', 'Three.')
    await Promise.all([chat.regenerate(), chat.regenerate()])
    expect([chat.error, chat.status, chat.messages.length]).toEqual([undefined, 'ready', 2])
    expect(await loaded(device)).toEqual(texts(chat))
  })

  it('stays as it is when a further message is sent: that one waits', async () => {
    const { chat } = open()
    const goOn = waiting()
    const first = chat.sendMessage({ text: 'Tell me' })
    await expect.poll(() => chat.text()).toBe('Part one.')
    const second = chat.sendMessage({ text: 'More' })
    await expect.poll(() => executions(chat.id)).toHaveLength(2)
    says('Second.')
    goOn()
    await Promise.all([first, second])
    expect(chat.error).toBeUndefined()
    expect(await executions(chat.id)).toMatchObject([{ status: 'success' }, { status: 'success' }])
  })

  it('is open on a second device, and edited on the first: both end with the truth', async () => {
    const first = open()
    const goOn = waiting()
    const sending = first.chat.sendMessage({ text: 'Tell me' })
    await expect.poll(() => first.chat.text()).toBe('Part one.')
    const second = open({ id: first.chat.id })
    second.chat.messages = await second.transport.loadMessages(second.chat.id)
    const following = second.chat.resumeStream()
    await expect.poll(() => second.chat.text()).toBe('Part one.')

    says('Edited answer.')
    const messageId = first.chat.messages[0]?.id ?? ''
    await Promise.all([first.chat.sendMessage({ text: 'Edited', messageId }), sending])
    goOn()
    await following
    expect([first.chat.error, texts(first.chat)]).toEqual([undefined, ['Edited', 'Edited answer.']])
    // Its answer was stopped, and it keeps the part that it saw.
    expect([second.chat.error, second.chat.status, texts(second.chat)]).toEqual([
      undefined,
      'ready',
      ['Tell me', 'Part one.'],
    ])
    second.chat.messages = await second.transport.loadMessages(second.chat.id)
    expect(texts(second.chat)).toEqual(['Edited', 'Edited answer.'])
    says('Next.')
    await second.chat.sendMessage({ text: 'And?' })
    expect(asked()).toEqual(['user: Edited', 'assistant: Edited answer.', 'user: And?'])
  })
})
