import { describe, expect, test } from 'vitest'
import { addTenant } from '../support/agents/tool-agents.ts'
import { hasBrowser } from '../support/people/browser.ts'
import { signUpAsMember } from '../support/people/people.ts'
import { useWebPage } from '../support/people/web-page.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
const skips = !hasBrowser && !process.env.CI

describe.skipIf(skips)('people who answer, and search', { timeout: 240_000 }, () => {
  const page = useWebPage()

  test.each(['desktop', 'phone'] as const)(
    'on a %s a person takes a conversation over, answers, and hands it back, and the other sees it live',
    async (screen) => {
      const ann = await addTenant(sql)
      const member = await signUpAsMember(sql, ann.person.organization)
      const customer = await page.open()
      await customer.signsIn(member)
      await customer.chooses('Agent', ann.agent)
      page.model.answer({ text: ['A model says so.'] })
      await customer.asks('Where is my parcel?')
      await customer.sees('Where is my parcel?', 'A model says so.')
      await customer.ready()
      await customer.clicks('Share')
      await customer.says('Shared')
      const id = await customer.browser.run<string>(`return location.hash.slice(4)`)

      const person = await page.open(screen)
      await person.signsIn(ann.person)
      await person.browser.run(`location.hash = '#/answers/${id}'`)
      await person.sees('Where is my parcel?', 'A model says so.')
      expect(await person.violations()).toEqual([])
      await person.clicks('Take over')
      await person.browser.until(`document.querySelector('[aria-label="Your answer"]')`)
      await customer.says('A person answers here in place of the model.')

      // The customer writes on: no model is called, and the page says that a person answers.
      await customer.asks('Are you there?')
      await customer.ready()
      await person.sees('Where is my parcel?', 'A model says so.', 'Are you there?')
      await person.browser.run(`location.hash = '#/answers'`)
      await person.browser.until(
        `document.querySelector('.nav-links a .tag')?.innerText.includes('yours')`,
      )
      await person.browser.run(`document.querySelector('.nav-links a').click()`)
      await person.browser.until(`document.querySelector('[aria-label="Your answer"]')`)
      await person.browser.type('[aria-label="Your answer"]', 'I am. It is **here**.')
      await person.clicks('Answer')
      const all = ['Where is my parcel?', 'A model says so.', 'Are you there?', 'I am. It is here.']
      await person.sees(...all)
      expect(await person.violations()).toEqual([])
      await customer.sees(...all)
      await customer.says('answers in person')

      await person.clicks('Hand back')
      await person.browser.type('dialog [name=note]', 'The parcel is found.')
      await person.clicks('Hand back')
      await person.closed()
      await person.says('The model answers here.')
      page.model.answer({ text: ['A model again.'] })
      await customer.asks('Thanks')
      await customer.sees(...all, 'Thanks', 'A model again.')
      expect(await customer.reported()).toEqual([])
      expect(await person.reported()).toEqual([])
    },
  )

  test('a member without the permission has no queue', async () => {
    const ann = await addTenant(sql)
    const member = await signUpAsMember(sql, ann.person.organization)
    const person = await page.open()
    await person.signsIn(member)
    expect(
      await person.browser.run(`return document.querySelector('[href="#/answers"]')`),
    ).toBeNull()
    await person.browser.run(`location.hash = '#/answers'`)
    await person.says('You may not answer customers.')
  })

  test('a member finds words in own conversations, marked, and opens one; another finds none', async () => {
    const ann = await addTenant(sql)
    const member = await signUpAsMember(sql, ann.person.organization)
    const person = await page.open('phone')
    await person.signsIn(ann.person)
    await person.chooses('Agent', ann.agent)
    page.model.answer({ text: ['The <b>zeppelin</b> flies.'] })
    await person.asks('What flies?')
    await person.ready()
    await person.browser.run(`location.hash = '#/'`)
    await person.presses('Conversations')
    await person.browser.type('[name=query]', 'zeppelin\uE007')
    await person.browser.until(`document.querySelector('.search mark')?.innerText === 'zeppelin'`)
    expect(await person.violations()).toEqual([])
    await person.browser.click('.search li a')
    await person.sees('What flies?', 'The <b>zeppelin</b> flies.')

    const other = await page.open()
    await other.signsIn(member)
    await other.browser.type('[name=query]', 'zeppelin\uE007')
    await other.says('Nothing has these words.')
  })
})
