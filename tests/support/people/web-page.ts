import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest'
import { root } from '../../../dev/check/command.ts'
import { buildPage } from '../../../dev/web/build-page.ts'
import { readPage } from '../../../dev/web/page.ts'
import { type ScriptedModel, startScriptedModel } from '../agents/scripted-model.ts'
import { type SplitGateway, startSplitGateway } from '../stack/split-gateway.ts'
import { useStack } from '../stack/stack.ts'
import { type Browser, openBrowser } from './browser.ts'

/** The screens at which the page is tried. */
export const screens = {
  desktop: { width: 1280, height: 800, deviceScaleFactor: 1, mobile: false },
  phone: { width: 390, height: 844, deviceScaleFactor: 2, mobile: true },
} as const

export type Screen = keyof typeof screens

/** The page of `web/`, built, over the worker's stack and a model that a test scripts. */
export interface WebPage {
  readonly model: ScriptedModel
  readonly url: string
  open(screen?: Screen): Promise<PersonAtPage>
}

/**
 * Serves the page before the tests of a file.
 * @param isElsewhere its origin is not the project's, and models answer as they do under `npm start`
 */
export function useWebPage({ isElsewhere = false } = {}): WebPage {
  let model: ScriptedModel
  let gateway: SplitGateway
  beforeAll(async () => {
    const folder = await buildPage(root, () => undefined)
    model = await startScriptedModel()
    const { url, publishableKey } = useStack()
    const page = await readPage(folder, { publishableKey, ...(isElsewhere && { url }) })
    gateway = await startSplitGateway(url, model.baseURL.replace(/\/v1$/, ''), page)
  }, 120_000)
  afterAll(async () => {
    await gateway?.close()
    await model?.close()
  })
  return {
    get model() {
      return model
    },
    get url() {
      return gateway.url
    },
    async open(screen = 'desktop') {
      const browser = await openBrowser()
      onTestFinished(() => browser.close())
      await browser.devtools('Emulation.setDeviceMetricsOverride', screens[screen])
      // Before the page's own scripts: what the policy refused, and what no code caught.
      await browser.devtools('Page.addScriptToEvaluateOnNewDocument', { source: observer })
      await browser.goTo(gateway.url)
      return new PersonAtPage(browser)
    },
  }
}

const observer = `
  window.seen = []
  addEventListener('securitypolicyviolation', (event) =>
    seen.push(event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample))
  addEventListener('error', (event) => seen.push(String(event.message)))
  addEventListener('unhandledrejection', (event) => seen.push(String(event.reason)))`

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What a person does in the page, and waits to see. */
export class PersonAtPage {
  constructor(readonly browser: Browser) {}

  async signsIn({ email, password }: { email: string; password: string }): Promise<void> {
    await this.fills('Sign in', { email, password })
    await this.browser.until(`document.querySelector('[aria-label="Your message"]')`)
  }

  async fills(form: string, values: Readonly<Record<string, string>>): Promise<void> {
    const place = `form[aria-label="${form}"]`
    await this.browser.until(`document.querySelector('${place}')`)
    for (const [name, value] of Object.entries(values)) {
      await this.browser.type(`${place} [name=${name}]`, value)
    }
    await this.browser.click(`${place} .primary`)
  }

  async asks(question: string): Promise<void> {
    await this.browser.type('[aria-label="Your message"]', question)
    await this.presses('Send')
  }

  async presses(label: string): Promise<void> {
    const selector = `button[aria-label="${label}"]`
    await this.browser.until(`document.querySelector('${selector}:not(:disabled)')`)
    await this.browser.click(selector)
  }

  /** Opens a view of the console, and waits until it has read what it shows. */
  async opensView(name: string): Promise<void> {
    await this.browser.run(`location.hash = '#/console/${name}'`)
    await this.browser.until(
      `document.querySelector('.nav-links [aria-current=page]')?.hash === '#/console/${name}'`,
    )
    await this.settled()
  }

  /** Waits until the page reads nothing more. */
  settled(): Promise<void> {
    return this.browser.until(`document.querySelector('h1') && !document.querySelector('.waiting')`)
  }

  /** Presses the button with this text: in the dialog, when one is open. @param row a text beside it */
  async clicks(text: string, row = ''): Promise<void> {
    const button = `[...(document.querySelector('dialog[open]') ?? document).querySelectorAll('button')]
      .find((one) => one.innerText.trim() === ${JSON.stringify(text)} && !one.disabled &&
        (one.closest('tr') ?? document.body).innerText.includes(${JSON.stringify(row)}))`
    await this.browser.until(button)
    await this.browser.run(`${button}.click()`)
  }

  /** Waits until the page, or its dialog, says this. */
  says(text: string): Promise<void> {
    return this.browser.until(`document.body.innerText.includes(${JSON.stringify(text)})`)
  }

  /** Waits until no dialog is open. */
  closed(): Promise<void> {
    return this.browser.until(`!document.querySelector('dialog[open]')`)
  }

  /** The texts of the buttons of the view. */
  buttons(): Promise<string[]> {
    return this.browser.run(
      `return [...document.querySelectorAll('.sections button')].map((one) => one.innerText.trim())`,
    )
  }

  /** Chooses what a list shows as this text. */
  chooses(label: string, choice: string): Promise<void> {
    return this.choosesIn(`[aria-label="${label}"]`, choice)
  }

  async choosesIn(list: string, choice: string): Promise<void> {
    const option = `[...document.querySelector('${list}')?.options ?? []].find(
      ({ text }) => text === ${JSON.stringify(choice)})`
    await this.browser.until(option)
    await this.browser.run(`
      const option = ${option}
      option.selected = true
      option.parentElement.dispatchEvent(new Event('change', { bubbles: true }))`)
  }

  /** Waits until the texts of the messages are these, and nothing else. */
  async sees(...texts: string[]): Promise<void> {
    const shown = `[...document.querySelectorAll('.message .text')].map((one) => one.innerText.trim())`
    await this.browser.until(
      `JSON.stringify(${shown}) === ${JSON.stringify(JSON.stringify(texts))}`,
    )
  }

  /** Waits until no answer is being written. @throws when the page then shows a problem */
  async ready(): Promise<void> {
    const isReady = `document.querySelector('.messages')?.dataset.status === 'ready'`
    await this.browser.until(`${isReady} || document.querySelector('[role=alert]')`)
    expect(await this.problem()).toBeNull()
  }

  problem(): Promise<string | null> {
    return this.browser.run(`return document.querySelector('[role=alert]')?.innerText ?? null`)
  }

  /** What the browser refused or reported since the page was opened. */
  reported(): Promise<string[]> {
    return this.browser.run('return window.seen')
  }

  /** The rules of axe that the page breaks, each with the elements. */
  async violations(): Promise<string[]> {
    await this.browser.run(axe)
    const script = `axe.run().then(({ violations }) => { window.axed = violations.map(
      ({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' | ')) })`
    await this.browser.run(`window.axed = null; ${script}`)
    await this.browser.until('window.axed')
    return this.browser.run('return window.axed')
  }

  async usesDarkMode(): Promise<void> {
    const features = [{ name: 'prefers-color-scheme', value: 'dark' }]
    await this.browser.devtools('Emulation.setEmulatedMedia', { features })
  }
}
