import { describe, expect, test } from 'vitest'
import { addTenant } from '../support/agents/tool-agents.ts'
import { hasBrowser } from '../support/people/browser.ts'
import { signUpAsMember } from '../support/people/people.ts'
import { useWebPage } from '../support/people/web-page.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
const skips = !hasBrowser && !process.env.CI

describe.skipIf(skips)('search in the page', { timeout: 240_000 }, () => {
  const page = useWebPage()

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
