import { usesLocalOpenRouter, usesLocalVertex } from '../functions/function-env.ts'
import type { Stack } from './stack-options.ts'

/** What `npm start` prints when the stack is ready. */
export function welcome(
  stack: Stack,
  seconds: number,
  envFile: string,
  env: Record<string, string | undefined>,
): string {
  return `
Colloquy is ready after ${seconds.toFixed(1)} s.

  Page             ${stack.url}/ (open it, sign up, ask)

  URL              ${stack.url}
  Publishable key  ${stack.publishableKey}
  Secret key       ${stack.secretKey}
  Database         ${withoutPassword(stack.databaseUrl)}
  OpenRouter       ${modelSource(usesLocalOpenRouter(env), stack)}
  Vertex AI        ${modelSource(usesLocalVertex(env), stack)}
  Functions        ${stack.functions.join(', ') || 'none'}
  Written to       ${envFile} (with the database's password)

To do the same without a browser, paste this in another terminal:

${askCommand(stack)}

Ctrl-C stops everything. The data stays for the next start; npm run db:reset begins again.
`
}

/** A command that gets an answer from an agent, with nothing but Node.js. */
export function askCommand({ url, publishableKey }: Pick<Stack, 'url' | 'publishableKey'>): string {
  return `node --input-type=module <<'END'
const url = '${url}', apikey = '${publishableKey}'
const post = async (path, body, token = apikey) => {
  const headers = { apikey, authorization: 'Bearer ' + token, 'content-type': 'application/json' }
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(path + ': ' + (await response.text()))
  return response.json()
}
const name = 'example-' + Date.now()
const account = { email: name + '@example.com', password: 'correct horse battery staple' }
const { access_token, refresh_token } = await post('/auth/v1/signup', account)
await post('/rest/v1/rpc/create_organization', { name, slug: name }, access_token)
const session = await post('/auth/v1/token?grant_type=refresh_token', { refresh_token })
const question = { agent: 'droid', message: { content: 'Who are you?' }, stream: false }
console.log(await post('/functions/v1/agents/invoke', question, session.access_token))
END`
}

function modelSource(local: boolean, stack: Stack): string {
  return local
    ? `a local model server (no key is set), ${stack.modelServerUrl}`
    : 'as set in the environment'
}

function withoutPassword(url: string): string {
  const parsed = new URL(url)
  if (parsed.password !== '') parsed.password = '***'
  return parsed.href
}
