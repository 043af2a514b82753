import { randomUUID } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { gate, stop, text } from '../support/agents/chat-stream.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { addTenant } from '../support/agents/tool-agents.ts'
import { startToolServer, textAnswer } from '../support/agents/tool-server.ts'
import { hasBrowser } from '../support/people/browser.ts'
import { useWebPage } from '../support/people/web-page.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()

const markdown = [
  'A **bold** answer:\n\n',
  '```ts\nconst one = 1\n```\n\n',
  '| Name | Count |\n| --- | --- |\n| a | 1 |\n\n',
  'See [the docs](https://example.com/docs).',
]

// Where CI is set a missing browser is a failure; elsewhere it counts as skipped on the last line.
const skips = !hasBrowser && !process.env.CI

describe.skipIf(skips)('the page, in a browser', { timeout: 240_000 }, () => {
  const page = useWebPage()

  /** An answer that waits after its first piece. */
  const waiting = (first: string, rest: string) => {
    const { step, open } = gate()
    const steps = eventStream([text(first), text(rest), stop])
    page.model.answer([...steps.slice(0, 2), step, ...steps.slice(2)])
    return open
  }

  test.each(['desktop', 'phone'] as const)(
    'on a %s a person signs up, founds an organization, asks, and finds the answer after a reload',
    async (screen) => {
      const person = await page.open(screen)
      const { browser } = person
      await browser.until(`document.querySelector('form')`)
      expect(await person.violations()).toEqual([])
      await browser.click('.quiet')
      const email = `${randomUUID()}@example.com`
      await person.fills('Create an account', { email, password: randomUUID() })
      await browser.until(`document.querySelector('form[aria-label="New organization"]')`)
      expect(await person.violations()).toEqual([])
      await person.fills('New organization', { name: 'Ünïted <b>Engines</b>' })
      await browser.until(`document.querySelector('[aria-label="Your message"]')`)

      page.model.answer({ text: markdown })
      await person.chooses('Agent', 'droid')
      await person.asks('Show me')
      await browser.until(`document.querySelector('.message.assistant table')`)
      await person.ready()
      const answer = `document.querySelector('.message.assistant')`
      expect(await browser.run(`return ${answer}.querySelector('strong').innerText`)).toBe('bold')
      expect(await browser.run(`return ${answer}.querySelector('pre').innerText`)).toBe(
        'const one = 1',
      )
      expect(await person.violations()).toEqual([])
      await person.usesDarkMode()
      expect(await person.violations()).toEqual([])
      const overflow = `document.documentElement.scrollWidth - innerWidth`
      expect(await browser.run(`return ${overflow}`)).toBeLessThanOrEqual(0)

      await browser.run('location.reload()')
      await browser.until(`document.querySelector('.message.assistant table')`)
      if (screen === 'phone') await person.presses('Conversations')
      await browser.until(`document.querySelector('.sessions a')?.innerText === 'Show me'`)
      expect(await person.violations()).toEqual([])
      expect(await person.reported()).toEqual([])
    },
  )

  test('what is loaded until the chat is shown has less than 250 kB, compressed', async () => {
    const ann = await addTenant(sql)
    const person = await page.open()
    await person.signsIn(ann.person)
    const entries = `performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)`
    const loaded = await person.browser.run<string[]>(`return ${entries}`)
    const files = loaded.filter((name) => name.startsWith('/assets/'))
    expect(files.length).toBeGreaterThan(1)
    const sizes = await Promise.all(
      ['/', ...files].map(async (name) => {
        const body = await (await fetch(page.url + name)).arrayBuffer()
        return gzipSync(new Uint8Array(body)).length
      }),
    )
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(250_000)
  })

  test('a wrong password and a failed answer are sentences, and a second try goes on', async () => {
    const ann = await addTenant(sql)
    const person = await page.open()
    await person.fills('Sign in', { email: ann.person.email, password: 'not this one' })
    await person.browser.until(`document.querySelector('[role=alert]')`)
    expect(await person.problem()).toMatch(/password is wrong\. .*try again/)
    await person.browser.goTo(page.url)
    await person.signsIn(ann.person)
    await person.chooses('Agent', ann.agent)
    page.model.answer({ text: [], finish: 'stop' })
    await person.asks('Say nothing')
    await person.browser.until(`document.querySelector('[role=alert]')`)
    expect(await person.problem()).toMatch(/^[A-Z][^{}]+\.\s+Try again$/)
    page.model.answer({ text: ['Something.'] })
    await person.browser.click('[role=alert] button')
    await person.sees('Say nothing', 'Something.')
    await person.ready()
  })

  test('a person answers again, edits, stops, reloads in mid-answer, rates, and decides on a call', async () => {
    const ann = await addTenant(sql)
    const server = await startToolServer({
      send: { description: 'Sends.', run: ({ to }) => textAnswer(`sent to ${String(to)}`) },
    })
    onTestFinished(() => server.close())
    await ann.addServer(server.endpoint, 'ask')
    const person = await page.open()
    const { browser } = person
    const says = (said: string) => page.model.answer({ text: [said] })
    await person.signsIn(ann.person)

    says('One.')
    await person.chooses('Agent', ann.agent)
    await person.asks('First')
    await person.sees('First', 'One.')
    await person.ready()

    says('One again.')
    await person.presses('Answer again')
    await person.sees('First', 'One again.')
    await person.ready()
    await person.presses('Version before')
    await person.sees('First', 'One.')
    await person.presses('Version after')
    await person.sees('First', 'One again.')

    says('Edited answer.')
    await person.presses('Edit')
    await person.fills('Edit', { edited: ', edited' })
    await person.sees('First, edited', 'Edited answer.')
    await person.ready()

    const never = waiting('Part one.', ' Part two.')
    await person.asks('Long')
    await person.sees('First, edited', 'Edited answer.', 'Long', 'Part one.')
    await person.presses('Stop')
    await person.ready()
    const status = async () => {
      const [last] = await sql`
        select status from public.agent_executions x
        join public.users u on u.id = x.user_id where u.id = ${ann.person.id}
        order by x.created_at desc limit 1`
      return last?.status as unknown
    }
    await expect.poll(status).toBe('cancelled')
    never()

    const goOn = waiting('Before.', ' After.')
    await person.asks('Reload')
    const before = ['First, edited', 'Edited answer.', 'Long', 'Part one.', 'Reload']
    await person.sees(...before, 'Before.')
    await browser.run('location.reload()')
    await person.sees(...before, 'Before.')
    goOn()
    await person.sees(...before, 'Before. After.')
    await person.ready()

    await browser.click('.message:last-of-type [aria-label="Good answer"]')
    await browser.until(`document.querySelector('[aria-pressed=true]')`)
    const rated = await sql`
      select rating from conversation.message_feedback where user_id = ${ann.person.id}`
    expect(rated).toEqual([{ rating: 'up' }])

    const call = { id: 'c1', name: 'tools__send', arguments: '{"to":"Bob"}' }
    page.model.answer({ toolCalls: [call] }, { text: ['Sent.'] })
    await person.asks('Write')
    await browser.until(`document.querySelector('.tool[open] .primary')`)
    await person.ready()
    expect(await browser.run(`return document.querySelector('.value').innerText`)).toContain(
      '"Bob"',
    )
    expect(await person.violations()).toEqual([])
    expect(server.calls()).toEqual([])
    await browser.click('.tool .primary')
    await person.sees(...before, 'Before. After.', 'Write', 'Sent.')
    expect(server.calls()).toEqual([{ to: 'Bob' }])
    await person.ready()
    expect(await person.reported()).toEqual([])
  })
})
