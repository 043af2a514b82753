import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

// Serves the page on http://127.0.0.1:3000. While `npm start` runs:
//   node --env-file=.env.local --import tsx examples/web-page/serve.ts

const { SUPABASE_URL: url, SUPABASE_PUBLISHABLE_KEY: publishableKey, PAGE_PORT } = process.env
if (!url || !publishableKey) {
  throw new Error('SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY are not set: pass .env.local.')
}

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const require = createRequire(import.meta.url)
const files: Record<string, [type: string, read: () => Promise<string>]> = {
  '/': ['text/html; charset=utf-8', () => readFile(here('index.html'), 'utf8')],
  '/page.js': ['text/javascript', () => readFile(here('page.js'), 'utf8')],
  // The build of supabase-js for script tags, from the installed package.
  '/supabase.js': [
    'text/javascript',
    () => readFile(require.resolve('@supabase/supabase-js/dist/umd/supabase.js'), 'utf8'),
  ],
  '/config.json': ['application/json', async () => JSON.stringify({ url, publishableKey })],
}

const server = createServer((request, response) => {
  const [type, read] = files[request.url ?? ''] ?? []
  if (type === undefined || read === undefined) {
    response.writeHead(404).end()
    return
  }
  read().then(
    (body) => response.writeHead(200, { 'content-type': type }).end(body),
    (error: unknown) => {
      console.error(error)
      response.writeHead(500).end()
    },
  )
})
server.listen(Number(PAGE_PORT ?? 3000), '127.0.0.1', () => {
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  console.log(`Open http://127.0.0.1:${port} in a browser. Ctrl-C stops it.`)
})
