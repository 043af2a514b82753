import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ColloquyError } from '../../client/index.ts'
import { gate, stop, text } from '../support/agents/chat-stream.ts'
import { createAgent } from '../support/agents/invoke.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { type ScriptedModel, startScriptedModel } from '../support/agents/scripted-model.ts'
import { openDevice, urlOf } from '../support/clients/plain-chat.ts'
import { type Organization, type Person, signUpWithOrganization } from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
let scripted: ScriptedModel
let ann: Person & { organization: Organization }
let agent: string

beforeAll(async () => {
  scripted = await startScriptedModel()
  ann = await signUpWithOrganization('ann')
  agent = await createAgent(sql, ann.organization, ['openrouter'])
})
afterAll(() => scripted.close())

const functions = () => scripted.baseURL.replace(/\/v1$/, '')
const open = (rest: { id?: string; send?: typeof fetch } = {}) =>
  openDevice(ann, { agent, functions: functions(), ...rest })
const says = (...texts: string[]) => scripted.answer(...texts.map((one) => ({ text: [one] })))
/** What the model was asked last: its messages as `role: text`. */
const asked = () =>
  scripted
    .asked()
    .at(-1)
    ?.messages.map(({ role, content }) => `${String(role)}: ${String(content)}`)
const executions = (session: string) => sql`
  select status, error_code from public.agent_executions where session_id = ${session}
  order by created_at`

/** An answer that waits after its first piece. */
function waiting() {
  const { step, open: goOn } = gate()
  const steps = eventStream([text('Part one.'), text(' Part two.'), stop])
  scripted.answer([...steps.slice(0, 2), step, ...steps.slice(2)])
  return goOn
}

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
    const { data } = await ann.client.from('chat_sessions').select('id, title').eq('id', chat.id)
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
    const { data } = await ann.client
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
    scripted.answer(['HTTP/1.1 400 Bad\r\ncontent-length: 2\r\n\r\n{}'], { text: ['Better.'] })
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

  it('has the rest of the answer after a reload, and the same conversation', async () => {
    const first = open()
    const goOn = waiting()
    const lost = first.chat.sendMessage({ text: 'Tell me' })
    await expect.poll(() => first.chat.text()).toBe('Part one.')

    const { chat, transport } = open({ id: first.chat.id })
    chat.messages = await transport.loadMessages(chat.id)
    expect(chat.messages.map(({ role }) => role)).toEqual(['user'])
    const resumed = chat.resumeStream()
    await expect.poll(() => chat.text()).toBe('Part one.')
    goOn()
    await Promise.all([resumed, lost])
    expect([chat.error, chat.text()]).toEqual([undefined, 'Part one. Part two.'])
    says('Next.')
    await chat.sendMessage({ text: 'And?' })
    expect(asked()).toEqual(['user: Tell me', 'assistant: Part one. Part two.', 'user: And?'])

    const again = open({ id: chat.id })
    again.chat.messages = await again.transport.loadMessages(chat.id)
    expect(again.chat.messages.map((_, index) => again.chat.text(index))).toEqual([
      'Tell me',
      'Part one. Part two.',
      'And?',
      'Next.',
    ])
    await again.chat.resumeStream()
    expect(again.chat.status).toBe('ready')
  })

  it('resumes twice without stopping the model, as React does in development', async () => {
    const first = open()
    const goOn = waiting()
    const lost = first.chat.sendMessage({ text: 'Tell me' })
    await expect.poll(() => first.chat.text()).toBe('Part one.')
    const { chat } = open({ id: first.chat.id })
    const resumed = [chat.resumeStream(), chat.resumeStream()]
    await expect.poll(() => chat.text()).toBe('Part one.')
    resumed.push(chat.resumeStream())
    goOn()
    await Promise.all([...resumed, lost])
    expect(await executions(chat.id)).toEqual([{ status: 'success', error_code: null }])
    expect(chat.text()).toBe('Part one. Part two.')
  })

  it('takes a cut stream up again where it was cut', async () => {
    let cuts = 0
    const { chat, sent } = open({
      async send(target, init) {
        const response = await fetch(target, init)
        if (!urlOf(target).endsWith('/invoke') || cuts > 0) return response
        cuts += 1
        const reader = response.body?.getReader()
        const body = new ReadableStream<Uint8Array>({
          async pull(controller) {
            const next = await reader?.read()
            if (next?.value) controller.enqueue(next.value)
            controller.error(new TypeError('network error'))
          },
        })
        return new Response(body, { headers: response.headers })
      },
    })
    says('All of it.')
    await chat.sendMessage({ text: 'Tell me' })
    expect([chat.error, chat.text(), cuts]).toEqual([undefined, 'All of it.', 1])
    expect(sent.some((path) => path.endsWith('/stream'))).toBe(true)
  })

  it('gives the model a picture of the person', async () => {
    const { chat } = open()
    says('A pixel.')
    const url = 'data:image/png;base64,AAAA'
    const files = [{ type: 'file' as const, url, mediaType: 'image/png', filename: 'a.png' }]
    await chat.sendMessage({ text: 'What is this?', files })
    expect([chat.error, chat.text()]).toEqual([undefined, 'A pixel.'])
    expect(JSON.stringify(scripted.asked())).toContain(url)
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
    const { chat } = openDevice(ann, { agent: 'absent', functions: functions() })
    await chat.sendMessage({ text: 'Hi' })
    expect(chat.error).toMatchObject({ code: 'agent_not_found', details: { status: 404 } })
    expect(chat.error?.message).toMatch(/^[A-Z][^{}]*\.$/)

    const stream = open()
    scripted.answer(['HTTP/1.1 400 Bad\r\ncontent-length: 2\r\n\r\n{}'])
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
