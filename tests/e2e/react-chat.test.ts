import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { root } from '../../dev/check/command.ts'
import { gate, stop, text } from '../support/agents/chat-stream.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { type ScriptedModel, startScriptedModel } from '../support/agents/scripted-model.ts'
import { addTenant } from '../support/agents/tool-agents.ts'
import { startToolServer, textAnswer } from '../support/agents/tool-server.ts'
import { newestFolder, useNewestFolder } from '../support/clients/newest.ts'
import { type Browser, hasBrowser } from '../support/people/browser.ts'
import { openExamplePage } from '../support/people/example.ts'
import { connectOwner } from '../support/stack/database.ts'
import { type SplitGateway, startSplitGateway } from '../support/stack/split-gateway.ts'
import { useStack } from '../support/stack/stack.ts'

const sql = connectOwner()
let scripted: ScriptedModel
let gateway: SplitGateway

useNewestFolder()
beforeAll(async () => {
  scripted = await startScriptedModel()
  gateway = await startSplitGateway(useStack().url, scripted.baseURL.replace(/\/v1$/, ''))
})
afterAll(async () => {
  await gateway.close()
  await scripted.close()
})

/** The red pixel that the person attaches. */
const pixel =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=='

function writePicture(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'colloquy-picture-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'pixel.png')
  writeFileSync(file, Buffer.from(pixel, 'base64'))
  return file
}

/** The example where its imports find the newest packages. @returns its server's path in examples */
function copyToNewest(): string {
  const folder = mkdtempSync(path.join(newestFolder, 'page-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const examples = path.join(root, 'examples')
  cpSync(path.join(examples, 'react-chat'), folder, { recursive: true })
  return path.relative(examples, path.join(folder, 'serve.ts'))
}

/** An answer that waits after its first piece. */
function waiting(first: string, rest: string) {
  const { step, open } = gate()
  const steps = eventStream([text(first), text(rest), stop])
  scripted.answer([...steps.slice(0, 2), step, ...steps.slice(2)])
  return open
}

const says = (said: string) => scripted.answer({ text: [said] })

/** What a person does in the page, and waits to see. */
function personAt(page: Browser) {
  const shown = `[...document.querySelectorAll('article .text')].map((one) => one.textContent)`
  const isReady = `document.querySelector('section')?.dataset.status === 'ready'`
  return {
    async sees(...texts: string[]) {
      await page.until(`JSON.stringify(${shown}) === ${JSON.stringify(JSON.stringify(texts))}`)
    },
    async asks(question: string) {
      await page.type('[name=text]', question)
      await page.click('#send')
    },
    async ready() {
      await page.until(`${isReady} || document.querySelector('[role=alert]')`)
      const problem = `return document.querySelector('[role=alert]')?.textContent ?? null`
      expect(await page.run<string | null>(problem)).toBeNull()
    },
  }
}

// Where CI is set a missing browser is a failure; elsewhere it counts as skipped on the last line.
const skips = !hasBrowser && !process.env.CI

describe.skipIf(skips)('the page with useChat, in a browser', { timeout: 240_000 }, () => {
  test.each([
    ['6', () => 'react-chat/serve.ts'],
    ['7', copyToNewest],
  ])(
    'under AI SDK %s it sends, answers again, edits, stops, resumes after a reload, takes a picture, asks for approval',
    async (_, place) => {
      const ann = await addTenant(sql)
      const server = await startToolServer({
        send: { description: 'Sends.', run: ({ to }) => textAnswer(`sent to ${String(to)}`) },
      })
      onTestFinished(() => server.close())
      await ann.addServer(server.endpoint, 'ask')
      const page = await openExamplePage(
        place(),
        { SUPABASE_URL: gateway.url },
        `/?agent=${ann.agent}`,
      )
      const person = personAt(page)
      await page.until(`document.getElementById('account')`)
      await page.type('[name=email]', ann.person.email)
      await page.type('[name=password]', ann.person.password)
      await page.click('#account button')
      await person.ready()

      says('One.')
      await person.asks('First')
      await person.sees('First', 'One.')
      await person.ready()

      says('One again.')
      await page.click('.regenerate')
      await person.sees('First', 'One again.')
      await person.ready()

      says('Edited answer.')
      await page.click('.edit')
      await person.asks('Edited')
      await person.sees('Edited', 'Edited answer.')
      await person.ready()

      const never = waiting('Part one.', ' Part two.')
      await person.asks('Long')
      await person.sees('Edited', 'Edited answer.', 'Long', 'Part one.')
      await page.click('#stop')
      await person.ready()
      says('After the stop.')
      await person.asks('Next')
      await person.sees('Edited', 'Edited answer.', 'Long', 'Part one.', 'Next', 'After the stop.')
      await person.ready()
      never()

      const goOn = waiting('Before.', ' After.')
      await person.asks('Reload')
      const before = ['Edited', 'Edited answer.', 'Long', 'Part one.', 'Next', 'After the stop.']
      await person.sees(...before, 'Reload', 'Before.')
      await page.run(`location.reload()`)
      await person.sees(...before, 'Reload', 'Before.')
      goOn()
      await person.sees(...before, 'Reload', 'Before. After.')
      await person.ready()

      says('A red pixel.')
      await page.type('[name=files]', writePicture())
      await person.asks('What is this?')
      const all = [...before, 'Reload', 'Before. After.', 'What is this?', 'A red pixel.']
      await person.sees(...all)
      await person.ready()
      expect(JSON.stringify(scripted.asked())).toContain(pixel)

      const call = { id: 'c1', name: 'tools__send', arguments: '{"to":"Bob"}' }
      scripted.answer({ toolCalls: [call] }, { text: ['Sent.'] })
      await person.asks('Write')
      await page.until(`document.querySelector('.approve')`)
      expect(server.calls()).toEqual([])
      await person.ready()
      await page.click('.approve')
      await person.sees(...all, 'Write', 'Sent.')
      expect(server.calls()).toEqual([{ to: 'Bob' }])
      await person.ready()
      const rows = await sql`
      select x.status, count(*)::int as n from public.agent_executions x
      join public.users u on u.id = x.user_id where u.id = ${ann.person.id} group by 1 order by 1`
      expect(rows).toEqual([
        { status: 'cancelled', n: 1 },
        { status: 'success', n: 8 },
      ])
    },
  )
})
