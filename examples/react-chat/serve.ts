import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

// Bundles the page and serves it on http://127.0.0.1:3000. While `npm start` runs:
//   node --env-file=.env.local --import tsx examples/react-chat/serve.ts

const { SUPABASE_URL: url, SUPABASE_PUBLISHABLE_KEY: publishableKey, PAGE_PORT } = process.env
if (!url || !publishableKey) {
  throw new Error('SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY are not set: pass .env.local.')
}

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const { outputFiles } = await build({
  entryPoints: [here('page.tsx')],
  bundle: true,
  format: 'esm',
  jsx: 'automatic',
  target: 'es2022',
  write: false,
})
const files: Record<string, [type: string, body: string]> = {
  '/': ['text/html; charset=utf-8', await readFile(here('index.html'), 'utf8')],
  '/page.js': ['text/javascript', outputFiles[0]?.text ?? ''],
  '/config.json': ['application/json', JSON.stringify({ url, publishableKey })],
}

const server = createServer((request, response) => {
  const [type, body] = files[request.url?.split('?')[0] ?? ''] ?? []
  if (type === undefined) response.writeHead(404).end()
  else response.writeHead(200, { 'content-type': type }).end(body)
})
server.listen(Number(PAGE_PORT ?? 3000), '127.0.0.1', () => {
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  console.log(`Open http://127.0.0.1:${port} in a browser. Ctrl-C stops it.`)
})
