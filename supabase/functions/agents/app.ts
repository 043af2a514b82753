import type { Hono } from 'hono'
import type { VerifyAccessToken } from '../_shared/auth/access-token.ts'
import {
  idempotencyKeySchema,
  invocationLimit,
  invocationSchema,
} from '../_shared/executions/invocation.ts'
import { invoke, type InvokeDependencies } from '../_shared/executions/invoke.ts'
import { createFunctionApp } from '../_shared/http/function-app.ts'
import { allowOnly } from '../_shared/http/handle-error.ts'
import type { Log } from '../_shared/http/log.ts'
import { readJson } from '../_shared/http/read-json.ts'
import { validate } from '../_shared/http/validate.ts'

export interface AgentsDependencies extends InvokeDependencies {
  readonly verifyAccessToken: VerifyAccessToken
}

/** Routes of the function `agents`. */
export function createApp(deps: AgentsDependencies): Hono {
  const app = createFunctionApp('agents', deps.log)

  app.post('/invoke', async (c) => {
    const { headers } = c.req.raw
    const caller = await deps.verifyAccessToken(headers)
    const key = validate(idempotencyKeySchema, {
      'Idempotency-Key': headers.get('idempotency-key') ?? undefined,
    })
    const invocation = validate(invocationSchema, await readJson(c.req.raw, invocationLimit))
    const request_id = c.get('requestId')
    const log: Log = (entry) => deps.log({ request_id, ...entry })
    return invoke({ ...deps, log }, caller, invocation, key['Idempotency-Key'])
  })
  app.all('/invoke', allowOnly('POST'))

  return app
}
