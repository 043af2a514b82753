/**
 * Asks a provider the way the functions do, and prints how each request ended. For Deno, whose
 * connections it uses. Arguments: an http and an https origin of the same server, and one whose
 * certificate has another name.
 */
import process from 'node:process'
import { denoRuntime } from '../../../supabase/functions/_shared/outbound/connection.ts'
import { createPooledFetch } from '../../../supabase/functions/_shared/outbound/pooled-fetch.ts'
import { systemClock } from '../../../supabase/functions/_shared/time.ts'

if (!denoRuntime) throw new Error('this is not Deno')
const [plain = '', secure = '', misnamed = ''] = process.argv.slice(2)
const send = createPooledFetch(denoRuntime, systemClock)
const post = (url: string, init: RequestInit = {}) =>
  send(url, { method: 'POST', body: 'question', ...init })

async function ask(url: string, init?: RequestInit): Promise<string> {
  try {
    const response = await post(url, init)
    return `${response.status} ${await response.text()}`
  } catch (error) {
    return error instanceof Error ? `failed: ${error.message}` : String(error)
  }
}

/** How many words one read gives of an answer of which twenty came since the read before it. */
async function wordsOfOneRead(origin: string): Promise<number> {
  const response = await post(`${origin}/held`)
  const reader = response.body?.getReader()
  await reader?.read()
  await ask(`${plain}/speak`)
  const { value } = (await reader?.read()) ?? {}
  await reader?.cancel()
  return value?.length ?? 0
}

async function abortedAnswer(): Promise<string> {
  const stop = new AbortController()
  const response = await post(`${plain}/held`, { signal: stop.signal })
  const reader = response.body?.getReader()
  await reader?.read()
  setTimeout(() => stop.abort(new Error('stopped')), 0)
  try {
    await reader?.read()
    return 'read on'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const thrice = async (url: string) => [await ask(url), await ask(url), await ask(url)]
console.log(
  JSON.stringify({
    chunked: await thrice(`${plain}/chunked`),
    secure: await thrice(`${secure}/secure`),
    misnamed: (await ask(`${misnamed}/misnamed`)).slice(0, 6),
    close: await thrice(`${plain}/close`),
    surplus: await thrice(`${plain}/surplus`),
    once: await thrice(`${plain}/once`),
    never: [await ask(`${plain}/never`), await ask(`${plain}/never`)].map((end) => end.slice(0, 6)),
    gzip: await ask(`${plain}/gzip`),
    empty: await ask(`${plain}/empty`),
    form: await ask(`${plain}/echo`, { body: new URLSearchParams({ a: 'b ü' }) }),
    words: [await wordsOfOneRead(plain), await wordsOfOneRead(secure)],
    aborted: await abortedAnswer(),
  }),
)
