import { describe, expect, it } from 'vitest'
import { useChatStage } from '../support/clients/chat-stage.ts'
import { urlOf } from '../support/clients/plain-chat.ts'

const stage = useChatStage()
const { open, says, asked, executions, waiting } = stage

describe('a chat that is taken up again', () => {
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

  it('leaves the model alone when a resumption gives way to another before its stream came', async () => {
    const first = open()
    const goOn = waiting()
    const lost = first.chat.sendMessage({ text: 'Tell me' })
    await expect.poll(() => first.chat.text()).toBe('Part one.')
    const { transport, sent } = open({ id: first.chat.id })
    const chatId = first.chat.id
    // AI SDK 7 does so when React mounts a chat twice.
    const left = new AbortController()
    const gaveWay = transport.reconnectToStream({ chatId, abortSignal: left.signal })
    left.abort()
    const taken = await transport.reconnectToStream({ chatId })
    await (await gaveWay)?.cancel()
    goOn()
    let text = ''
    for await (const chunk of taken ?? []) if (chunk.type === 'text-delta') text += chunk.delta
    await lost
    expect(sent.filter((request) => request.endsWith('/cancel'))).toEqual([])
    expect(await executions(chatId)).toEqual([{ status: 'success', error_code: null }])
    expect(text).toBe('Part one. Part two.')
  })

  it('reads an answer that ended between the load and the resumption', async () => {
    const first = open()
    const goOn = waiting()
    const lost = first.chat.sendMessage({ text: 'Tell me' })
    await expect.poll(() => first.chat.text()).toBe('Part one.')
    const { chat, transport } = open({ id: first.chat.id })
    chat.messages = await transport.loadMessages(chat.id)
    goOn()
    await lost
    await chat.resumeStream()
    expect([chat.error, chat.text()]).toEqual([undefined, 'Part one. Part two.'])
    expect(chat.messages).toHaveLength(2)
    const { length } = stage.scripted.asked()
    await chat.resumeStream()
    expect([chat.status, chat.messages.length, stage.scripted.asked().length]).toEqual([
      'ready',
      2,
      length,
    ])
  })

  it('reads an answer that ended between two resumptions', async () => {
    const first = open()
    const goOn = waiting()
    const lost = first.chat.sendMessage({ text: 'Tell me' })
    await expect.poll(() => first.chat.text()).toBe('Part one.')
    let release = () => undefined as void
    const held = new Promise<void>((resolve) => (release = resolve))
    let follows = 0
    const { chat } = open({
      id: first.chat.id,
      send: async (target, init) => {
        const response = await fetch(target, init)
        if (urlOf(target).includes('/stream') && (follows += 1) === 1) await held
        return response
      },
    })
    const resumed = [chat.resumeStream()]
    await expect.poll(() => follows).toBe(1)
    goOn()
    await lost
    resumed.push(chat.resumeStream())
    await resumed[1]
    release()
    await Promise.all(resumed)
    expect([chat.error, chat.text()]).toEqual([undefined, 'Part one. Part two.'])
    expect(await executions(chat.id)).toEqual([{ status: 'success', error_code: null }])
  })

  it('waits for a connection that is away, whatever the runtime calls that', async () => {
    const away = [
      async () => Promise.reject(new Error('The network connection was lost.')),
      async () => new Response('<html>Bad gateway</html>', { status: 502 }),
      async () => Promise.reject(new TypeError('Network request failed')),
    ]
    const { chat } = open({
      async send(target, init) {
        const isFollowing = urlOf(target).endsWith('/stream')
        const fails = isFollowing ? away.shift() : undefined
        if (fails) return fails()
        const response = await fetch(target, init)
        return urlOf(target).endsWith('/invoke') ? cutAfterOneEvent(response) : response
      },
    })
    says('All of it.')
    await chat.sendMessage({ text: 'Tell me' })
    expect([chat.error, chat.text(), away]).toEqual([undefined, 'All of it.', []])
  })

  it('says that the person must sign in, and has the rest after that', async () => {
    let isSignedIn = true
    const { chat } = open({
      async send(target, init) {
        const headers = new Headers(init?.headers)
        if (!isSignedIn) headers.set('authorization', 'Bearer of yesterday')
        const response = await fetch(target, { ...init, headers })
        if (!urlOf(target).endsWith('/invoke')) return response
        isSignedIn = false
        return cutAfterOneEvent(response)
      },
    })
    says('All of it.')
    await chat.sendMessage({ text: 'Tell me' })
    expect(chat.error).toMatchObject({ details: { status: 401 } })
    expect(chat.error?.message).toMatch(/^[A-Z][^{}]*\.$/)
    isSignedIn = true
    await chat.resumeStream()
    expect([chat.status, chat.text(), chat.messages.length]).toEqual(['ready', 'All of it.', 2])
  })

  it('takes a stream up as often as it is cut, while each piece brings something new', async () => {
    let cuts = 0
    const { chat } = open({
      async send(target, init) {
        const response = await fetch(target, init)
        if (!/\/(invoke|stream)$/.test(new URL(urlOf(target)).pathname)) return response
        const frames = (await response.text()).split(/(?<=\n\n)/)
        if (frames.length <= 1) return new Response(frames.join(''), { headers: response.headers })
        cuts += 1
        // Between two cuts a server that restarts.
        if (cuts % 3 === 0) return Response.json({}, { status: 503 })
        const body = new ReadableStream<Uint8Array>({
          start: (controller) =>
            controller.enqueue(new TextEncoder().encode(frames.slice(0, 1).join(''))),
          pull: (controller) => controller.error(new TypeError('network error')),
        })
        return new Response(body, { headers: response.headers })
      },
    })
    const words = Array.from({ length: 20 }, (_, index) => `Word ${index}. `)
    stage.scripted.answer({ text: words })
    await chat.sendMessage({ text: 'Tell me' })
    expect([chat.error, chat.text(), cuts > 5]).toEqual([undefined, words.join(''), true])
  })
})

/** The answer with its first event only; then the connection is lost. */
async function cutAfterOneEvent(response: Response): Promise<Response> {
  const text = await response.text()
  const end = text.indexOf('\n\n', text.indexOf('data:')) + 2
  const steps = [
    (body: ReadableStreamDefaultController) =>
      body.enqueue(new TextEncoder().encode(text.slice(0, end))),
    (body: ReadableStreamDefaultController) => body.error(new TypeError('network error')),
  ]
  const pull = (body: ReadableStreamDefaultController) => steps.shift()?.(body)
  // Pulled one by one: an error drops what waits before it.
  const body = new ReadableStream({ pull }, { highWaterMark: 0 })
  return new Response(body, { headers: response.headers })
}
