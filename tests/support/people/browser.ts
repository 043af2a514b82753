import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const CHROMIUM = '/usr/bin/chromium'
const CHROMEDRIVER = '/usr/bin/chromedriver'

/** Whether Chromium and its driver are here (Debian: chromium, chromium-driver). */
export const hasBrowser = existsSync(CHROMIUM) && existsSync(CHROMEDRIVER)

/** A real browser, driven over WebDriver (W3C), which needs nothing but fetch. */
export interface Browser {
  goTo(url: string): Promise<void>
  /** Runs the body of a function in the page and returns what it returned, as JSON. */
  run<Result>(body: string): Promise<Result>
  /** Waits until the expression is true in the page. @throws Error after 30 s */
  until(expression: string): Promise<void>
  /** Types into the element, as a person would. */
  type(selector: string, text: string): Promise<void>
  click(selector: string): Promise<void>
  /** A command of Chromium's own protocol, which chromedriver passes on. */
  devtools<Result>(cmd: string, params?: object): Promise<Result>
  close(): Promise<void>
}

const CHROMIUM_ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export async function openBrowser(): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'colloquy-browser-'))
  const driver = await startDriver()
  const args = [...CHROMIUM_ARGUMENTS, `--user-data-dir=${profile}`]
  const options = { binary: CHROMIUM, args }
  const capabilities = { alwaysMatch: { 'goog:chromeOptions': options } }
  const { sessionId } = await send<{ sessionId: string }>(driver.url, { capabilities }).catch(
    async (error: unknown) => {
      await driver.stop()
      throw error
    },
  )
  const session = `${driver.url}/${sessionId}`
  await send(`${session}/timeouts`, { script: 30_000 })
  const find = async (selector: string) => {
    const found = await send<Record<string, string>>(`${session}/element`, {
      using: 'css selector',
      value: selector,
    })
    return `${session}/element/${Object.values(found)[0]}`
  }
  return {
    goTo: (url) => send(`${session}/url`, { url }),
    run: (script) => send(`${session}/execute/sync`, { script, args: [] }),
    async until(expression) {
      const script = `
        const done = arguments[0]
        const look = () => ((${expression}) ? done() : requestAnimationFrame(look))
        look()`
      await send(`${session}/execute/async`, { script, args: [] }).catch(async (error: unknown) => {
        const look = { script: 'return document.body.innerText.slice(0, 1000)', args: [] }
        const shown = await send<string>(`${session}/execute/sync`, look).catch(String)
        throw new Error(
          `never true in the page: ${expression} (${String(error)}), which shows: ${shown}`,
        )
      })
    },
    type: async (selector, text) => send(`${await find(selector)}/value`, { text }),
    click: async (selector) => send(`${await find(selector)}/click`, {}),
    devtools: (cmd, params = {}) => send(`${session}/goog/cdp/execute`, { cmd, params }),
    async close() {
      await fetch(session, { method: 'DELETE' })
      await driver.stop()
      rmSync(profile, { recursive: true, force: true })
    },
  }
}

/** One command of WebDriver (W3C WebDriver, section 6). @throws Error with the driver's message */
async function send<Value>(url: string, body: object): Promise<Value> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  const { value } = (await response.json()) as { value: Value & { message?: string } }
  if (!response.ok) throw new Error(value.message)
  return value
}

/** Starts chromedriver on a free port; `url` is where sessions are made. */
async function startDriver(attempts = 5): Promise<{ url: string; stop(): Promise<void> }> {
  const child = spawn(CHROMEDRIVER, ['--port=0'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  let output = ''
  const port = await new Promise<string | null>((resolve, reject) => {
    child.once('error', reject)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      const found = /started successfully on port (\d+)/.exec(output)?.[1]
      if (found !== undefined) resolve(found)
    })
    void ended.then(() => resolve(null))
  })
  if (port === null) {
    // It takes a port that is free under IPv6, and wants the same one under IPv4.
    const isTaken = output.includes('port not available')
    if (isTaken && attempts > 1) return startDriver(attempts - 1)
    throw new Error(`chromedriver ended: ${output}`)
  }
  return {
    url: `http://127.0.0.1:${port}/session`,
    async stop() {
      child.kill()
      await ended
    },
  }
}
