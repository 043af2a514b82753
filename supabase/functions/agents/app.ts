import type { Context, Hono } from 'hono'
import type { VerifyAccessToken } from '../_shared/auth/access-token.ts'
import {
  answersLimit,
  answersSchema,
  answerToolCall,
} from '../_shared/executions/answer-tool-call.ts'
import { cancelExecution } from '../_shared/executions/cancel.ts'
import {
  decideToolCall,
  decisionSchema,
  toolCallIdSchema,
} from '../_shared/executions/decide-tool-call.ts'
import {
  idempotencyKeySchema,
  invocationLimit,
  invocationSchema,
  namesFiles,
} from '../_shared/executions/invocation.ts'
import { invoke, type InvokeDependencies } from '../_shared/executions/invoke.ts'
import { readExecution } from '../_shared/executions/read-execution.ts'
import { SharedPolls } from '../_shared/executions/stream/shared-polls.ts'
import { followExecution } from '../_shared/executions/stream/follow-execution.ts'
import { readExecutionId, readLastEventId } from '../_shared/executions/stream/stream-address.ts'
import { maxFileBytes } from '../_shared/files/read-files.ts'
import { acceptApiKeys, requireSignIn } from '../_shared/http/accept-api-keys.ts'
import { createFunctionApp } from '../_shared/http/function-app.ts'
import { allowOnly } from '../_shared/http/handle-error.ts'
import { PersonLimit } from '../_shared/http/person-limit.ts'
import { maxRequests, RequestLimit } from '../_shared/http/request-limit.ts'
import { validate } from '../_shared/http/validate.ts'
import { lensRunLimit, readLensRun, readRowId } from '../_shared/lenses/lens-request.ts'
import { runLens, workOn } from '../_shared/lenses/run-lens.ts'
import type { Log } from '../_shared/log/log.ts'
import { createOpenAiRoutes } from '../_shared/openai/routes.ts'
import { search, searchLimit, searchSchema } from '../_shared/search/search.ts'
import {
  keyProviderSchema,
  type ProviderKeyDependencies,
  providerKeyLimit,
  providerKeySchema,
  storeProviderKey,
} from '../_shared/provider-keys/store-key.ts'

export interface AgentsDependencies
  extends
    Omit<InvokeDependencies, 'polls' | 'followers' | 'shutdown' | 'keyset'>,
    Omit<ProviderKeyDependencies, 'db'> {
  readonly verifyAccessToken: VerifyAccessToken
}

const decisionLimit = { bytes: 1024, path: '' }

/** Executions that one person follows or waits for at once. */
const maxFollowed = 100

/** Routes of the function `agents`. */
export function createApp(given: AgentsDependencies): Hono {
  const app = createFunctionApp('agents', given.log, given.clock)
  const verify = acceptApiKeys(given.verifyAccessToken, given.database)
  const requests = new RequestLimit(verify, maxRequests)
  app.use(requests.release)
  const deps = {
    ...given,
    get shutdown() {
      return given.worker.ending
    },
    verifyAccessToken: requests.verifyAccessToken,
    readJson: requests.readJson,
    polls: new SharedPolls({ ...given, admin: given.database.admin }),
    followers: new PersonLimit('followed_executions', maxFollowed),
  }
  const logOf = (c: Context): Log => {
    const request_id = c.get('requestId')
    return (entry) => deps.log({ request_id, ...entry })
  }

  app.post('/invoke', given.worker.begin, async (c) => {
    const { headers } = c.req.raw
    const caller = await deps.verifyAccessToken(headers)
    const key = validate(idempotencyKeySchema, {
      'Idempotency-Key': headers.get('idempotency-key') ?? undefined,
    })
    const invocation = validate(
      invocationSchema,
      await requests.readJson(c.req.raw, invocationLimit),
    )
    const { signal } = c.req.raw
    // They are read before the execution begins, so before any limit of executions.
    if (namesFiles(invocation)) requests.hold(c.req.raw, maxFileBytes)
    return invoke({ ...deps, log: logOf(c) }, caller, invocation, key['Idempotency-Key'], signal)
  })
  app.all('/invoke', allowOnly('POST'))

  app.get('/executions/:id', async (c) => {
    const { accessToken } = await deps.verifyAccessToken(c.req.raw.headers)
    const db = deps.database.forCaller(accessToken)
    return c.json(await readExecution(db, readExecutionId(c.req.param('id'))))
  })
  app.all('/executions/:id', allowOnly('GET', 'HEAD'))

  app.get('/executions/:id/stream', async (c) => {
    const caller = await deps.verifyAccessToken(c.req.raw.headers)
    const db = deps.database.forCaller(caller.accessToken)
    const after = readLastEventId(c.req.raw)
    const id = readExecutionId(c.req.param('id'))
    return followExecution({ ...deps, db }, caller, id, after)
  })
  app.all('/executions/:id/stream', allowOnly('GET', 'HEAD'))

  app.post('/executions/:id/cancel', async (c) => {
    const { accessToken } = await deps.verifyAccessToken(c.req.raw.headers)
    const db = deps.database.forCaller(accessToken)
    return c.json(await cancelExecution(db, readExecutionId(c.req.param('id'))))
  })
  app.all('/executions/:id/cancel', allowOnly('POST'))

  app.post('/executions/:id/approvals/:tool_call_id', given.worker.begin, async (c) => {
    const caller = await deps.verifyAccessToken(c.req.raw.headers)
    const id = readExecutionId(c.req.param('id'))
    const { tool_call_id } = validate(toolCallIdSchema, c.req.param())
    const { decision } = validate(decisionSchema, await requests.readJson(c.req.raw, decisionLimit))
    return c.json(
      await decideToolCall({ ...deps, log: logOf(c) }, caller, id, tool_call_id, decision),
    )
  })
  app.all('/executions/:id/approvals/:tool_call_id', allowOnly('POST'))

  app.post('/executions/:id/answers/:tool_call_id', given.worker.begin, async (c) => {
    const caller = await deps.verifyAccessToken(c.req.raw.headers)
    const id = readExecutionId(c.req.param('id'))
    const { tool_call_id } = validate(toolCallIdSchema, c.req.param())
    const answers = validate(answersSchema, await requests.readJson(c.req.raw, answersLimit))
    return c.json(
      await answerToolCall({ ...deps, log: logOf(c) }, caller, id, tool_call_id, answers),
    )
  })
  app.all('/executions/:id/answers/:tool_call_id', allowOnly('POST'))

  app.post('/search', given.worker.begin, async (c) => {
    const { headers, signal } = c.req.raw
    const caller = await deps.verifyAccessToken(headers)
    const asked = validate(searchSchema, await requests.readJson(c.req.raw, searchLimit))
    return c.json(await search({ ...deps, log: logOf(c) }, caller, asked, signal))
  })
  app.all('/search', allowOnly('POST'))

  // A server's key that leaks must not replace the provider keys of its organization.
  app.put('/provider-credentials/:provider', async (c) => {
    const caller = requireSignIn(await deps.verifyAccessToken(c.req.raw.headers))
    const { provider } = validate(keyProviderSchema, c.req.param())
    const { api_key } = validate(
      providerKeySchema,
      await requests.readJson(c.req.raw, providerKeyLimit),
    )
    return c.json(await storeProviderKey(deps, caller, provider, api_key))
  })
  app.delete('/provider-credentials/:provider', async (c) => {
    const { accessToken } = requireSignIn(await deps.verifyAccessToken(c.req.raw.headers))
    const { provider } = validate(keyProviderSchema, c.req.param())
    await deps.database.forCaller(accessToken).call('remove_provider_credential', { provider })
    return c.body(null, 204)
  })
  app.all('/provider-credentials/:provider', allowOnly('PUT', 'DELETE'))

  // A server's key runs no lens: a run spends for a whole project.
  app.post('/lenses/:id/runs', given.worker.begin, async (c) => {
    const caller = requireSignIn(await deps.verifyAccessToken(c.req.raw.headers))
    const id = readRowId(c.req.param('id'), 'lens_not_found')
    const request = readLensRun(await requests.readJson(c.req.raw, lensRunLimit))
    return runLens({ ...deps, log: logOf(c) }, caller, id, request)
  })
  app.all('/lenses/:id/runs', allowOnly('POST'))

  app.post('/lens-runs/:id/continue', given.worker.begin, async (c) => {
    const caller = requireSignIn(await deps.verifyAccessToken(c.req.raw.headers))
    const id = readRowId(c.req.param('id'), 'lens_run_not_found')
    return workOn({ ...deps, log: logOf(c) }, caller, id)
  })
  app.all('/lens-runs/:id/continue', allowOnly('POST'))

  app.route('/v1', createOpenAiRoutes(deps))

  return app
}
