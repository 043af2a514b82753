import type { Context, Hono } from 'hono'
import * as z from 'zod'
import type { VerifyAccessToken } from '../_shared/auth/access-token.ts'
import { createFunctionApp } from '../_shared/http/function-app.ts'
import { allowOnly } from '../_shared/http/handle-error.ts'
import { maxRequests, RequestLimit } from '../_shared/http/request-limit.ts'
import { validate } from '../_shared/http/validate.ts'
import type { WaitUntil } from '../_shared/http/wait-until.ts'
import { authorizationSchema, beginAuthorization } from '../_shared/oauth/begin-authorization.ts'
import { clientIdMetadataDocument } from '../_shared/oauth/client-metadata.ts'
import type { Credentials } from '../_shared/oauth/credentials.ts'
import { disconnect, openConnection } from '../_shared/oauth/disconnect.ts'
import {
  authorizationCodeSchema,
  finishAuthorization,
} from '../_shared/oauth/finish-authorization.ts'
import { receiveCallback } from '../_shared/oauth/receive-callback.ts'
import { revokeEndedConnections } from '../_shared/oauth/revoke-ended-connections.ts'
import { bearerTokenSchema, setBearerToken } from '../_shared/oauth/set-bearer-token.ts'
import {
  headerKeySchema,
  headerNameSchema,
  headerOwnerSchema,
  setHeaderKey,
} from '../_shared/oauth/set-header-key.ts'
import {
  preregisteredClientSchema,
  setPreregisteredClient,
} from '../_shared/oauth/set-preregistered-client.ts'
import type { OAuthDependencies } from '../_shared/oauth/dependencies.ts'
import { testServer } from '../_shared/tools/test-server.ts'
import type { OpenToolServer } from '../_shared/tools/tool-server.ts'

export interface OAuthAppDependencies extends OAuthDependencies {
  readonly credentials: Credentials
  readonly verifyAccessToken: VerifyAccessToken
  readonly openToolServer: OpenToolServer
  /** For revocations, which no request waits for. */
  readonly waitUntil: WaitUntil
}

const bodyLimit = { bytes: 64 * 1024, path: '' }
const idSchema = z.strictObject({
  id: z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER),
})

/** Routes of the function `oauth`. */
export function createApp(deps: OAuthAppDependencies): Hono {
  const app = createFunctionApp('oauth', deps.log, deps.clock)
  const requests = new RequestLimit(deps.verifyAccessToken, maxRequests)
  app.use(requests.release)
  // As the service role: the queue crosses people and organizations.
  const revoke = async () =>
    revokeEndedConnections(deps, await deps.database.admin.call('claim_mcp_revocations', {}))
  const callerOf = (c: Context) => requests.verifyAccessToken(c.req.raw.headers)
  const idOf = (c: Context) => validate(idSchema, { id: c.req.param('id') }).id
  const bodyOf = async <Schema extends z.ZodType>(c: Context, schema: Schema) =>
    validate(schema, await requests.readJson(c.req.raw, bodyLimit))

  app.post('/connections', async (c) => {
    const caller = await callerOf(c)
    return c.json(await beginAuthorization(deps, caller, await bodyOf(c, authorizationSchema)), 201)
  })
  app.all('/connections', allowOnly('POST'))

  app.get('/callback/:issuer?', async (c) => {
    const { searchParams } = new URL(c.req.url)
    const location = await receiveCallback(deps, c.req.param('issuer'), searchParams)
    // 303: after any method of the issuer the browser uses GET for the client. The other headers
    // keep the code and the handle out of caches and out of the next page's referrer.
    return c.body(null, 303, {
      location,
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    })
  })
  app.all('/callback/:issuer?', allowOnly('GET'))

  app.post('/connections/finish', async (c) => {
    const caller = await callerOf(c)
    const body = await bodyOf(c, authorizationCodeSchema)
    try {
      return c.json(await finishAuthorization(deps, caller, body), 201)
    } finally {
      // Of a connection that this one replaces, or that could not be stored.
      deps.waitUntil(revoke())
    }
  })
  app.all('/connections/finish', allowOnly('POST'))

  app.post('/connections/:id/refresh', async (c) => {
    const row = await openConnection(deps, await callerOf(c), idOf(c))
    const { expiresAt } = await deps.credentials.refresh({
      organizationId: row.organization_id,
      userId: row.user_id,
      configurationId: row.mcp_configuration_id,
    })
    return c.json({ id: row.id, expires_at: expiresAt })
  })
  app.all('/connections/:id/refresh', allowOnly('POST'))

  app.delete('/connections/:id', async (c) => {
    const ended = await disconnect(deps, await callerOf(c), idOf(c))
    // Also the connections that ended without this function, such as a former member's.
    deps.waitUntil(revoke())
    return c.json(ended)
  })
  app.all('/connections/:id', allowOnly('DELETE'))

  app.put('/configurations/:id/bearer-token', async (c) => {
    const caller = await callerOf(c)
    await setBearerToken(deps, caller, idOf(c), await bodyOf(c, bearerTokenSchema))
    return c.body(null, 204)
  })
  app.delete('/configurations/:id/bearer-token', async (c) => {
    await setBearerToken(deps, await callerOf(c), idOf(c), { token: null })
    return c.body(null, 204)
  })
  app.all('/configurations/:id/bearer-token', allowOnly('PUT', 'DELETE'))

  const headerOf = (c: Context) => validate(headerNameSchema, { name: c.req.param('name') })
  app.put('/configurations/:id/headers/:name', async (c) => {
    const caller = await callerOf(c)
    const key = { ...(await bodyOf(c, headerKeySchema)), ...headerOf(c) }
    await setHeaderKey(deps, caller, idOf(c), key)
    return c.body(null, 204)
  })
  app.delete('/configurations/:id/headers/:name', async (c) => {
    const caller = await callerOf(c)
    const { owner } = validate(headerOwnerSchema, c.req.query())
    await setHeaderKey(deps, caller, idOf(c), { ...headerOf(c), owner, value: null })
    return c.body(null, 204)
  })
  app.all('/configurations/:id/headers/:name', allowOnly('PUT', 'DELETE'))

  app.post('/configurations/:id/test', async (c) =>
    c.json(await testServer(deps, await callerOf(c), idOf(c))),
  )
  app.all('/configurations/:id/test', allowOnly('POST'))

  app.put('/clients', async (c) => {
    const caller = await callerOf(c)
    const client = await bodyOf(c, preregisteredClientSchema)
    return c.json(await setPreregisteredClient(deps, caller, client))
  })
  app.all('/clients', allowOnly('PUT'))

  app.get('/client-metadata.json', (c) =>
    c.json(clientIdMetadataDocument(deps.settings), 200, {
      'cache-control': 'public, max-age=3600',
    }),
  )
  app.all('/client-metadata.json', allowOnly('GET'))

  return app
}
