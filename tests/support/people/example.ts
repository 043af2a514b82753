import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { useStack } from '../stack/stack.ts'
import { type Browser, openBrowser } from './browser.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

export type RunningExample = ChildProcessByStdio<Writable, Readable, Readable>

/** Starts an example as its first lines say, on the test stack. */
export function startExample(file: string, variables: Record<string, string> = {}): RunningExample {
  const { url, publishableKey } = useStack()
  const child = spawn(process.execPath, ['--import', 'tsx', `examples/${file}`], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      SUPABASE_URL: url,
      SUPABASE_PUBLISHABLE_KEY: publishableKey,
      ...variables,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill())
  return child
}

/**
 * Opens the page that an example serves, in a real browser.
 * @param rest of the address
 */
export async function openExamplePage(
  file: string,
  variables: Record<string, string> = {},
  rest = '',
): Promise<Browser> {
  const child = startExample(file, { PAGE_PORT: '0', ...variables })
  const url = await new Promise<string>((resolve, reject) => {
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    child.once('exit', () => reject(new Error(`the page’s server ended: ${said}`)))
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const found = /Open (\S+) in/.exec(text)?.[1]
      if (found !== undefined) resolve(found)
    })
  })
  const browser = await openBrowser()
  onTestFinished(() => browser.close())
  await browser.goTo(`${url}${rest}`)
  return browser
}
