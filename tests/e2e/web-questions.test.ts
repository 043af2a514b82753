import { describe, expect, onTestFinished, test } from 'vitest'
import { addTenant } from '../support/agents/tool-agents.ts'
import { startAskingServer } from '../support/agents/asking-server.ts'
import { hasBrowser } from '../support/people/browser.ts'
import { useWebPage } from '../support/people/web-page.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
const skips = !hasBrowser && !process.env.CI

const requestedSchema = {
  type: 'object',
  properties: {
    city: { type: 'string', title: 'City', description: 'Where to?', minLength: 3 },
    class: { type: 'string', title: 'Class', enum: ['first', 'second'] },
    meal: {
      type: 'string',
      oneOf: [
        { const: 'v', title: 'Vegetarian' },
        { const: 'm', title: 'Meat' },
      ],
    },
    extras: { type: 'array', items: { type: 'string', enum: ['bag', 'seat'] } },
    people: { type: 'integer', minimum: 1, default: 2 },
    email: { type: 'string', format: 'email' },
    day: { type: 'string', format: 'date' },
    flexible: { type: 'boolean' },
  },
  required: ['city', 'meal'],
}
const form = (message: string) => ({
  method: 'elicitation/create',
  params: { message, requestedSchema },
})
const payment = {
  method: 'elicitation/create',
  params: { mode: 'url', message: 'Sign in', url: 'https://pay.example/in' },
}
const call = { id: 'c1', name: 'tools__book', arguments: '{}' }
const problems = `[...document.querySelectorAll('.asked .failure')].map((one) => one.innerText)`
const asks = `document.querySelector('.asked[data-state=waiting]')`

describe.skipIf(skips)('questions of a tool at the page', { timeout: 240_000 }, () => {
  const page = useWebPage()

  async function begin(...rounds: readonly object[]) {
    const ann = await addTenant(sql)
    const server = await startAskingServer('book', rounds)
    onTestFinished(() => server.close())
    await ann.addServer(server.endpoint, 'auto')
    const person = await page.open('phone')
    await person.signsIn(ann.person)
    await person.chooses('Agent', ann.agent)
    page.model.answer({ text: ['Let me.'], toolCalls: [call] }, { text: ['Booked.'] })
    await person.asks('Book')
    await person.browser.until(asks)
    await person.ready()
    return { ann, person, server, browser: person.browser }
  }

  test('on a phone a person fills in a form, corrects it, visits a page, and the answer goes on', async () => {
    const { person, server, browser } = await begin({ trip: form('Which trip?') }, { pay: payment })
    expect(await person.violations()).toEqual([])
    await browser.click('.asked .primary')
    await browser.until(`${problems}.join() === 'Fill this in.,Choose one.'`)
    expect(server.replies()).toEqual([undefined])

    await browser.type('[name=field-0]', 'Ro')
    await person.choosesIn('[name=field-2]', 'Vegetarian')
    await browser.click('[name=field-3][value=seat]')
    await browser.click('.asked .primary')
    await browser.until(`${problems}.join() === 'Write at least 3 characters.'`)
    expect(await browser.run(`return document.activeElement.name`)).toBe('field-0')
    expect(await person.violations()).toEqual([])
    await browser.type('[name=field-0]', 'me')
    await browser.type('[name=field-5]', 'no address')
    await browser.click('.asked .primary')
    await browser.until(`${problems}.join().startsWith('Enter an e-mail address')`)
    await browser.run(`document.querySelector('[name=field-5]').value = ''`)
    await browser.type('[name=field-6]', '02032030')
    await browser.click('.asked .primary')

    // The next round asks for a page, which nothing opens before the person does.
    await browser.until(`${asks}?.querySelector('a')`)
    await person.ready()
    const link = await browser.run(
      `const { href, target, rel } = ${asks}.querySelector('a'); return [href, target, rel]`,
    )
    expect(link).toEqual(['https://pay.example/in', '_blank', 'noopener noreferrer'])
    expect(await browser.run(`return ${asks}.innerText`)).toContain('pay.example')
    expect(await browser.run(`return ${asks}.querySelector('.primary')`)).toBeNull()
    expect(await person.violations()).toEqual([])
    // The tab of the page is not opened in a test: it would leave this machine.
    await browser.run(`${asks}.querySelector('a').addEventListener('click', (event) => event.preventDefault())
      ${asks}.querySelector('a').click()`)
    await browser.until(`${asks}.querySelector('.primary')?.innerText === 'Done'`)
    await browser.click('.asked[data-state=waiting] .primary')
    await person.sees('Book', 'Let me.', 'Booked.')
    await person.ready()
    await browser.until(`document.querySelector('.tool[data-state=output-available]')`)
    await browser.until(`!document.querySelector('.asked form')`)
    expect(server.replies()).toEqual([
      undefined,
      {
        trip: {
          action: 'accept',
          content: {
            ...{ city: 'Rome', meal: 'v', extras: ['seat'], people: 2, flexible: false },
            day: '2030-02-03',
          },
        },
      },
      { pay: { action: 'accept' } },
    ])
    expect(await person.reported()).toEqual([])
  })

  test('a person declines one question and cancels another, which go together', async () => {
    const { person, server, browser } = await begin({ one: form('One?'), two: form('Two?') })
    const press = async (index: number, text: string) => {
      await browser.run(`[...document.querySelectorAll('.asked form')[${index}].querySelectorAll('button')]
        .find(({ innerText }) => innerText === '${text}').click()`)
    }
    await press(0, 'Decline')
    await browser.until(`document.querySelector('.asked fieldset:disabled')`)
    expect(server.replies()).toEqual([undefined])
    await press(1, 'Cancel')
    await person.sees('Book', 'Let me.', 'Booked.')
    expect(server.replies()[1]).toEqual({ one: { action: 'decline' }, two: { action: 'cancel' } })
  })

  test('a question whose time is over says so, and has no form', async () => {
    const { ann, person, browser } = await begin({ one: form('One?') })
    await sql`update conversation.tool_elicitations set expires_at = now() - interval '1 second'
      where organization_id = ${ann.person.organization.id}`
    await browser.type('[name=field-0]', 'Rome')
    await person.choosesIn('[name=field-2]', 'Meat')
    await browser.click('.asked .primary')
    await browser.until(`document.querySelector('.asked[data-state=expired]')`)
    const state = await browser.run<string>(`return document.querySelector('.asked').innerText`)
    expect(state).toContain('The time to answer is over.')
    expect(await browser.run(`return document.querySelector('.asked form')`)).toBeNull()
  })
})
