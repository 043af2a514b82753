import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { type Browser, openBrowser } from './browser.ts'

/** Opens a page with one script in a real browser, from an address of its own. */
export async function openPageWith(script: string): Promise<Browser> {
  const server = createServer((request, response) => {
    const isScript = request.url === '/script.js'
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' })
    response.end(isScript ? script : '<!doctype html><script src="/script.js"></script>')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const browser = await openBrowser()
  onTestFinished(() => browser.close())
  await browser.goTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  return browser
}
