import type { IncomingMessage, ServerResponse } from 'node:http'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { pageHeaders } from './page-headers.ts'

/** Where the page finds the backend. */
export interface PageConfig {
  /** The project's address; absent where the page's own origin is the project. */
  readonly url?: string
  readonly publishableKey: string
}

export interface Page {
  /** Answers a request for a file of the page. @returns false for any other request */
  answer(request: IncomingMessage, response: ServerResponse): boolean
}

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
}

/**
 * Serves a built page from memory.
 * @param folder what `buildPage()` returned
 */
export async function readPage(folder: string, config: PageConfig): Promise<Page> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = new Map<string, Buffer>()
  for (const entry of entries.filter((one) => one.isFile())) {
    const file = path.join(entry.parentPath, entry.name)
    files.set(`/${path.relative(folder, file).replaceAll(path.sep, '/')}`, await readFile(file))
  }
  files.set('/config.json', Buffer.from(JSON.stringify(config)))
  const headers = pageHeaders(config.url)
  return {
    answer({ method, url = '/' }, response) {
      const asked = url.split('?', 1)[0] ?? '/'
      const name = asked === '/' ? '/index.html' : asked
      const body = files.get(name)
      if (body === undefined || (method !== 'GET' && method !== 'HEAD')) return false
      response.writeHead(200, {
        ...headers,
        'content-type': types[path.extname(name)] ?? 'application/octet-stream',
        'content-length': body.length,
        // The name of an asset changes with its content.
        'cache-control': name.startsWith('/assets/') ? 'max-age=31536000, immutable' : 'no-cache',
      })
      response.end(method === 'HEAD' ? undefined : body)
      return true
    },
  }
}
