import { beforeAll, expect, test } from 'vitest'
import type { Stack } from '../../dev/stack/stack-options.ts'
import { sharedFolder } from '../support/stack/stack-folder.ts'

const folder = sharedFolder()
let stack: Stack

beforeAll(async () => {
  folder.write('migrations/20260101000000_first.sql', 'create table public.a (t text);')
  folder.write(
    'functions/echo/index.ts',
    `export default { fetch: () => new Response('<script>', { headers: { 'content-type': 'text/html' } }) }`,
  )
  folder.write('page/index.html', '<!doctype html><title>The page</title>')
  folder.write('page/assets/a-1.js', 'export {}')
  folder.write('secret.txt', 'not of the page')
  stack = await folder.start({ buildPage: async () => `${folder.root}/page` })
})

test('the gateway serves the page at its root, with its policy and the key that it uses', async () => {
  const page = await fetch(`${stack.url}/?a=b`)
  expect(await page.text()).toContain('The page')
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(page.headers.get('content-security-policy')).toContain("script-src 'self';")
  expect(page.headers.get('cache-control')).toBe('no-cache')
  const asset = await fetch(`${stack.url}/assets/a-1.js`, { method: 'HEAD' })
  expect(asset.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
  expect(asset.headers.get('cache-control')).toContain('immutable')
  const config = await fetch(`${stack.url}/config.json`)
  expect(await config.json()).toEqual({ publishableKey: stack.publishableKey })
})

test.each([
  '/secret.txt',
  '/../secret.txt',
  '/%2e%2e/secret.txt',
  '/assets/',
  '/index',
  '/a.js.map',
])('there is nothing else: %s', async (path) => {
  const response = await fetch(stack.url + path)
  expect(response.status).toBe(404)
  expect(await response.json()).toMatchObject({ error: { code: 'not_found' } })
})

test('a page is read, and nothing else can be done with it', async () => {
  const response = await fetch(stack.url, { method: 'POST', body: 'x' })
  expect(response.status).toBe(404)
})

test.each(['/functions/v1/echo', '/rest/v1/', '/auth/v1/health', '/nothing'])(
  'what is no page runs nothing in a browser: %s',
  async (path) => {
    const { headers } = await fetch(stack.url + path)
    expect(headers.get('content-security-policy')).toContain('sandbox')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  },
)
