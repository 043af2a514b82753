import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startAskingServer } from '../support/agents/asking-server.ts'
import { addTenant } from '../support/agents/tool-agents.ts'
import { startToolServer, textAnswer } from '../support/agents/tool-server.ts'
import { hasBrowser } from '../support/people/browser.ts'
import { givesFiles, hasStoredFiles } from '../support/people/given-files.ts'
import { findInjected, injections } from '../support/people/injections.ts'
import { useWebPage } from '../support/people/web-page.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
const skips = !hasBrowser && !process.env.CI

describe.skipIf(skips)('what others write', { timeout: 240_000 }, () => {
  const page = useWebPage()
  /** What was asked of the foreign place. */
  const leaked: string[] = []
  const foreign = createServer((request, response) => {
    leaked.push(request.url ?? '')
    response.end()
  })
  let corpus: readonly string[]
  beforeAll(async () => {
    await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve))
    corpus = injections(`http://127.0.0.1:${(foreign.address() as AddressInfo).port}`)
  })
  afterAll(() => void foreign.close())

  test('never runs, never loads anything, and shows where its links lead', async () => {
    const ann = await addTenant(sql)
    const all = corpus.join('\n\n')
    const [html = ''] = corpus
    const server = await startToolServer({
      send: { description: all, run: () => textAnswer(all) },
    })
    onTestFinished(() => server.close())
    await ann.addServer(server.endpoint, 'ask')
    const { id, organization } = ann.person
    await sql`update public.organizations set name = ${html} where id = ${organization.id}`
    await sql`update public.models set display_name = ${html}
      where agent_id = (select id from public.agents where name = ${ann.agent})`
    // Each in a message of its own: together one of them could hide another.
    const session = randomUUID()
    const messages = corpus.flatMap((one) => ['user', 'assistant'].map((role) => [role, one]))
    await sql`insert into public.chat_sessions ${sql({
      ...{ organization_id: organization.id, id: session, user_id: id, title: html },
    })}`
    let parent: string | null = null
    for (const [role, content] of messages) {
      const message = randomUUID()
      await sql`insert into public.chat_messages ${sql({
        ...{ organization_id: organization.id, session_id: session, id: message },
        ...{ parent_id: parent, role, content, user_id: id },
      })}`
      parent = message
    }
    await sql`update public.chat_sessions set current_message_id = ${parent} where id = ${session}`

    const person = await page.open()
    const { browser } = person
    await person.signsIn(ann.person)
    await browser.until(
      `document.querySelector('.sessions a')?.innerText === ${JSON.stringify(html)}`,
    )
    await browser.click('.sessions a')
    await browser.until(`document.querySelectorAll('.message').length === ${messages.length}`)
    const injected = () => browser.run<string[]>(findInjected)
    expect(await injected()).toEqual([])
    expect(await person.problem()).toBeNull()

    // As it streams, and in the arguments and the result of a tool.
    await person.chooses('Agent', ann.agent)
    const call = { id: 'c1', name: 'tools__send', arguments: JSON.stringify({ all }) }
    page.model.answer({ text: [...all], toolCalls: [call] }, { text: ['Sent.'] })
    await person.asks('Call')
    await browser.until(`document.querySelector('.tool[open] .primary')`)
    expect(await injected()).toEqual([])
    await browser.click('.tool .primary')
    await browser.until(`document.querySelector('.tool[data-state=output-available]')`)
    await person.ready()
    expect(await injected()).toEqual([])
    expect(await person.reported()).toEqual([])
    expect(leaked).toEqual([])
  })

  test('never runs in the questions of a tool, or as the name of a file', async () => {
    const ann = await addTenant(sql)
    const [html = ''] = corpus
    const all = corpus.join('\n\n')
    // The names of fields are names of properties: `toString` and the like are no others.
    const fields = corpus.map((one, index): [string, object] => {
      const said = { title: one, description: one }
      const kinds = [
        { type: 'string', default: one },
        { type: 'string', enum: [one, 'a'] },
        { type: 'string', oneOf: [{ const: one, title: one }] },
        { type: 'array', items: { type: 'string', enum: [one] } },
        { type: 'boolean' },
      ]
      return [`${one.slice(0, 150)} ${index}`, { ...said, ...kinds[index % kinds.length] }]
    })
    const parts = Array.from({ length: Math.ceil(fields.length / 10) }, (_, part) =>
      fields.slice(part * 10, part * 10 + 10),
    )
    const questions = parts.slice(0, 6).map((some, part): [string, object] => {
      const requestedSchema = { type: 'object', properties: Object.fromEntries(some) }
      const params = { message: part === 0 ? all.slice(0, 3_000) : html, requestedSchema }
      return [`${html} ${part}`, { method: 'elicitation/create', params }]
    })
    const url = 'https://pay.example/?<script>window.hit=1</script>'
    const visit = { method: 'elicitation/create', params: { mode: 'url', message: html, url } }
    const server = await startAskingServer('send', [{ ...Object.fromEntries(questions), visit }])
    onTestFinished(() => server.close())
    await ann.addServer(server.endpoint, 'auto')

    const person = await page.open()
    const { browser } = person
    await person.signsIn(ann.person)
    await person.chooses('Agent', ann.agent)
    const files = corpus.map((one) => [`${one}.exe`, '', Buffer.from('x')] as const)
    await browser.run(givesFiles('drop', ...files, [`${html}.txt`, '', Buffer.from('x')]))
    await browser.until(hasStoredFiles(1))
    const injected = () => browser.run<string[]>(findInjected)
    expect(await injected()).toEqual([])
    const call = { id: 'c1', name: 'tools__send', arguments: '{}' }
    page.model.answer({ text: ['Let me.'], toolCalls: [call] }, { text: ['Sent.'] })
    await person.asks('Call')
    const forms = `[...document.querySelectorAll('.asked form')]`
    await browser.until(`${forms}.length === ${questions.length}`)
    await browser.until(`document.querySelector('.asked[data-state=waiting] a')`)
    await person.ready()
    expect(await injected()).toEqual([])
    expect(await person.reported()).toEqual([])
    expect(leaked).toEqual([])
  })

  test('would be stopped by the policy too, if it were more than a text', async () => {
    const person = await page.open()
    const { browser } = person
    await browser.until(`document.querySelector('form')`)
    const { port } = foreign.address() as AddressInfo
    const attempts = [
      `const script = document.createElement('script')
       script.append('window.hit = 1')
       document.body.append(script)`,
      `document.body.setAttribute('onclick', 'window.hit = 1'); document.body.click()`,
      `document.body.innerHTML = '<img src=x onerror=window.hit=1>'`,
      `eval('window.hit = 1')`,
      `new Image().src = 'http://127.0.0.1:${port}/policy.png'`,
    ]
    // Not in the script of the driver itself, which the policy does not bind.
    for (const attempt of attempts) await browser.run(`setTimeout(() => { ${attempt} })`)
    await browser.until(`seen.some((one) => one.startsWith('img-src'))`)
    expect(await browser.run('return window.hit ?? null')).toBeNull()
    const refused = (await person.reported()).map((one) => one.split(' ')[0])
    expect(refused).toEqual(expect.arrayContaining(['img-src', 'require-trusted-types-for']))
    expect(leaked).toEqual([])
  })
})
