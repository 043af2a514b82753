import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { answerTo } from '../../dev/functions/local-answers.ts'
import { png } from '../support/agents/files.ts'
import { signUpAsMember, signUpWithOrganization } from '../support/people/people.ts'
import { hasBrowser } from '../support/people/browser.ts'
import { givesFiles, hasStoredFiles, showsPictures } from '../support/people/given-files.ts'
import { useWebPage } from '../support/people/web-page.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
const skips = !hasBrowser && !process.env.CI

describe.skipIf(skips)('a page on another host than its project', { timeout: 240_000 }, () => {
  const page = useWebPage({ isElsewhere: true })

  test('shows what the person does on another device, and what a colleague shares', async () => {
    const ann = await signUpWithOrganization('ann')
    const bob = await signUpAsMember(sql, ann.organization, 'bob')
    const first = await page.open()
    await first.signsIn(ann)
    await first.chooses('Agent', 'droid')
    const question = `Question ${randomUUID()}`
    const answer = answerTo(question, 'anthropic/claude-3-opus')
    await first.browser.run(givesFiles('drop', ['cat.png', 'image/png', png]))
    await first.browser.until(hasStoredFiles(1))
    await first.asks(question)
    await first.sees(question, answer)
    await first.ready()
    // The policy of the page has the project's address.
    await first.browser.until(showsPictures(1))

    const second = await page.open('phone')
    await second.signsIn(ann)
    const address = await first.browser.run<string>('return location.hash')
    await second.browser.run(`location.hash = ${JSON.stringify(address)}`)
    await second.sees(question, answer)
    await first.asks('More')
    await second.sees(question, answer, 'More', answerTo('More', 'anthropic/claude-3-opus'))
    await second.ready()

    await first.browser.click('.menu [aria-pressed=false]')
    await first.browser.until(`document.querySelector('.menu [aria-pressed=true]')`)
    const colleague = await page.open()
    await colleague.signsIn(bob)
    await colleague.browser.until(`document.querySelector('.sessions .tag')`)
    await colleague.browser.click('.sessions a')
    await colleague.browser.until(`document.querySelector('.hint.shared')`)
    expect(await colleague.browser.run(`return document.querySelector('textarea')`)).toBeNull()
    expect(
      await colleague.browser.run(`return document.querySelector('[aria-label=Edit]')`),
    ).toBeNull()
    for (const person of [first, second, colleague]) expect(await person.reported()).toEqual([])
  })
})
