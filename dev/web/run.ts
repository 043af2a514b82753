import { cp, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildPage } from './build-page.ts'
import { pageHeaders } from './page-headers.ts'

/** `npm run web:build`: writes the page for a project into `web/dist`, as static files. */
const { SUPABASE_URL: url, SUPABASE_PUBLISHABLE_KEY: publishableKey } = process.env
if (!url || !publishableKey) {
  console.error('Set SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY to those of the project.')
  process.exit(1)
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = path.join(root, 'web/dist')
const built = await buildPage(root, (line) => console.log(line))
await rm(folder, { recursive: true, force: true })
await cp(built, folder, { recursive: true })
await writeFile(path.join(folder, 'config.json'), JSON.stringify({ url, publishableKey }))
const lines = Object.entries(pageHeaders(url)).map(([name, value]) => `  ${name}: ${value}`)
await writeFile(path.join(folder, '_headers'), ['/*', ...lines, ''].join('\n'))
console.log('The page is in web/dist. Serve it with the headers of web/dist/_headers.')
