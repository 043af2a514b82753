import { Hono } from 'hono'
import type { VerifyAccessToken } from '../auth/access-token.ts'
import { AppError, toAppError } from '../errors.ts'
import { idempotencyKeySchema } from '../executions/invocation.ts'
import type { InvokeDependencies } from '../executions/invoke.ts'
import { allowOnly, createFailureReport } from '../http/handle-error.ts'
import type { RequestLimit } from '../http/request-limit.ts'
import { validate } from '../http/validate.ts'
import type { Log } from '../log/log.ts'
import { chatLimit, readChatRequest } from './chat-request.ts'
import { completeChat } from './complete-chat.ts'
import { embed } from './embed.ts'
import { embeddingsLimit, readEmbeddingsRequest } from './embeddings-body.ts'
import { findModel, listModels } from './model-list.ts'
import { toOpenAiError } from './openai-error.ts'
import { readResponsesRequest } from './responses-request.ts'

export interface OpenAiDependencies extends InvokeDependencies {
  readonly verifyAccessToken: VerifyAccessToken
  readonly readJson: RequestLimit['readJson']
}

/** The part of OpenAI's API that its clients need here; the key is a `clq_` key or an access token. */
export function createOpenAiRoutes(deps: OpenAiDependencies): Hono {
  const routes = new Hono({ strict: false })
  const report = createFailureReport(deps.log, deps.clock)
  routes.onError((thrown, c) => {
    const error = toAppError(thrown)
    report(c, error)
    const { status, body, headers } = toOpenAiError(error)
    return c.json(body, status, { ...headers })
  })

  routes.post('/responses', deps.worker.begin, async (c) => {
    const { headers, signal } = c.req.raw
    const caller = await deps.verifyAccessToken(headers)
    const key = validate(idempotencyKeySchema, {
      'Idempotency-Key': headers.get('idempotency-key') ?? undefined,
    })
    const db = deps.database.forCaller(caller.accessToken)
    const json = await deps.readJson(c.req.raw, { ...chatLimit, path: 'input' })
    const request = await readResponsesRequest(db, json)
    const request_id = c.get('requestId')
    const log: Log = (entry) => deps.log({ request_id, ...entry })
    const options = { idempotencyKey: key['Idempotency-Key'], signal }
    return completeChat({ ...deps, log }, caller, request, options)
  })
  routes.all('/responses', allowOnly('POST'))

  routes.post('/chat/completions', deps.worker.begin, async (c) => {
    const { headers, signal } = c.req.raw
    const caller = await deps.verifyAccessToken(headers)
    const key = validate(idempotencyKeySchema, {
      'Idempotency-Key': headers.get('idempotency-key') ?? undefined,
    })
    const request = readChatRequest(await deps.readJson(c.req.raw, chatLimit))
    const request_id = c.get('requestId')
    const log: Log = (entry) => deps.log({ request_id, ...entry })
    const options = { idempotencyKey: key['Idempotency-Key'], signal }
    return completeChat({ ...deps, log }, caller, request, options)
  })
  routes.all('/chat/completions', allowOnly('POST'))

  routes.post('/embeddings', deps.worker.begin, async (c) => {
    const { headers, signal } = c.req.raw
    const caller = await deps.verifyAccessToken(headers)
    const key = headers.get('idempotency-key')
    const request = readEmbeddingsRequest(await deps.readJson(c.req.raw, embeddingsLimit), key)
    const request_id = c.get('requestId')
    const log: Log = (entry) => deps.log({ request_id, ...entry })
    return embed({ ...deps, log }, caller, request, signal)
  })
  routes.all('/embeddings', allowOnly('POST'))

  routes.get('/models', async (c) => {
    const { accessToken } = await deps.verifyAccessToken(c.req.raw.headers)
    const db = deps.database.forCaller(accessToken)
    return c.json({ object: 'list', data: await listModels(db, deps.models.providers) })
  })
  routes.all('/models', allowOnly('GET', 'HEAD'))

  // Ids contain a slash, which clients send as it is or as %2F.
  routes.get('/models/:id{.+}', async (c) => {
    const { accessToken } = await deps.verifyAccessToken(c.req.raw.headers)
    const db = deps.database.forCaller(accessToken)
    return c.json(await findModel(db, c.req.param('id'), deps.models.providers))
  })
  routes.all('/models/:id{.+}', allowOnly('GET', 'HEAD'))

  routes.all('*', () => {
    throw new AppError('not_found')
  })
  return routes
}
