import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { png } from '../support/agents/files.ts'
import { addTenant } from '../support/agents/tool-agents.ts'
import { hasBrowser } from '../support/people/browser.ts'
import { givesFiles, hasStoredFiles, showsPictures } from '../support/people/given-files.ts'
import { useWebPage } from '../support/people/web-page.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
const skips = !hasBrowser && !process.env.CI
const nothing = Buffer.alloc(0)

describe.skipIf(skips)('files at the page', { timeout: 240_000 }, () => {
  const page = useWebPage()
  const folder = mkdtempSync(join(tmpdir(), 'web-files-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  test('on a phone a person chooses, drops, pastes and removes files, and sends the rest', async () => {
    const ann = await addTenant(sql)
    const person = await page.open('phone')
    const { browser } = person
    await person.signsIn(ann.person)
    await person.chooses('Agent', ann.agent)
    const chosen = join(folder, 'cat.png')
    writeFileSync(chosen, png)
    await browser.type('.composer input[type=file]', chosen)
    await browser.until(hasStoredFiles(1))
    // Some systems do not know the type of a text.
    await browser.run(givesFiles('drop', ['notes.md', '', Buffer.from('# One')]))
    await browser.until(hasStoredFiles(2))
    await browser.run(givesFiles('paste', ['image.png', 'image/png', png]))
    await browser.until(hasStoredFiles(3))
    expect(await person.violations()).toEqual([])
    await person.presses('Remove image.png')
    await browser.until(hasStoredFiles(2))

    page.model.answer({ text: ['A cat.'] })
    await person.asks('What is it?')
    await person.sees('What is it?', 'A cat.')
    await person.ready()
    await browser.until(showsPictures(1))
    expect(JSON.stringify(page.model.asked().at(-1)?.messages)).toContain(png.toString('base64'))
    expect(await browser.run(`return document.querySelector('.chips')`)).toBeNull()
    await browser.run('location.reload()')
    await person.sees('What is it?', 'A cat.')
    await browser.until(showsPictures(1))
    const link = `document.querySelector('.message .file a')`
    await browser.until(`${link}?.innerText.startsWith('notes.md')`)
    expect(await person.violations()).toEqual([])
    expect(await person.reported()).toEqual([])
  })

  test('a file that cannot be sent is a sentence, before and after it was uploaded', async () => {
    const ann = await addTenant(sql)
    const person = await page.open()
    const { browser } = person
    await person.signsIn(ann.person)
    await browser.run(
      givesFiles('drop', ['<b>.exe', 'image/png', png], ['none.txt', 'text/plain', nothing]),
    )
    const alerts = `[...document.querySelectorAll('.composer [role=alert]')].map((one) => one.innerText)`
    await browser.until(`${alerts}.length === 2`)
    const [refused, empty] = await browser.run<string[]>(`return ${alerts}`)
    expect(refused).toMatch(/^“<b>\.exe” is of a type that cannot be sent\. Choose /)
    expect(empty).toBe('“none.txt” is empty. Choose another file.')
    const large = Buffer.alloc(8 * 1024 * 1024 + 1)
    await browser.run(givesFiles('drop', ['large.txt', 'text/plain', large]))
    await browser.until(`${alerts}.length === 1 && ${alerts}[0].includes('at most 8 MB')`)

    // The backend looks into the file.
    await browser.run(givesFiles('paste', ['cat.png', 'image/png', Buffer.from('no picture')]))
    await browser.until(hasStoredFiles(1))
    await person.chooses('Agent', ann.agent)
    await person.asks('What is it?')
    await browser.until(`document.querySelector('.messages [role=alert]')`)
    expect(await person.problem()).toMatch(/content|type/)
    expect(await person.violations()).toEqual([])
  })
})
