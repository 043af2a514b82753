/**
 * Stands in for REST and the database, in its own process: answers the requests of the function
 * `agents`, each after 5 ms, and stores nothing. Sends its port to the parent process.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const delayMs = 5

function begun(): object {
  const ids = { execution_id: randomUUID(), session_id: randomUUID(), message_id: randomUUID() }
  const step = { model_id: 4, name: 'gpt-4', provider: 'openrouter', model: 'openai/gpt-4' }
  return {
    ...ids,
    organization_id: 1,
    response_message_id: randomUUID(),
    status: 'running',
    replayed: false,
    result: null,
    agent: { id: 1, name: 'droid' },
    route: [{ ...step, config: {}, credential: 'platform', probe: false }],
    params: {},
    system_prompts: [],
    history: [{ id: ids.message_id, role: 'user', content: 'Hi', parts: null }],
    tools: [],
  }
}

function finished(body: string): object {
  const { outcome } = JSON.parse(body) as { outcome: Record<string, unknown> }
  const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 }
  const { status, finish_reason, error_code = null } = outcome
  const rest = { message: null, usage, cost_usd: null, model: 'gpt-4', latency_ms: 1 }
  return { status, finish_reason, error_code, ...rest, already_final: false }
}

function answerTo(path: string, body: string): unknown {
  if (path.endsWith('/begin_execution')) return begun()
  if (path.endsWith('/finish_execution')) return finished(body)
  return 'running'
}

const server = createServer((request, response) => {
  let body = ''
  request.setEncoding('utf8')
  request.on('data', (part: string) => (body += part))
  request.on('end', () => {
    setTimeout(() => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(answerTo(request.url ?? '', body)))
    }, delayMs)
  })
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.once('disconnect', () => process.exit())
process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
