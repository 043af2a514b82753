import type { Hono } from 'hono'
import { createAccessTokenVerifier } from '../../../supabase/functions/_shared/auth/access-token.ts'
import { createDatabase } from '../../../supabase/functions/_shared/database.ts'
import { readEnv } from '../../../supabase/functions/_shared/env.ts'
import { createWaitUntil } from '../../../supabase/functions/_shared/http/wait-until.ts'
import type { LogEntry } from '../../../supabase/functions/_shared/log/log.ts'
import { createOAuth } from '../../../supabase/functions/_shared/oauth/create-oauth.ts'
import {
  createCredentials,
  type Credentials,
} from '../../../supabase/functions/_shared/oauth/credentials.ts'
import type { OAuthDependencies } from '../../../supabase/functions/_shared/oauth/dependencies.ts'
import { createToolServers } from '../../../supabase/functions/_shared/tools/create-tool-servers.ts'
import { createApp } from '../../../supabase/functions/oauth/app.ts'
import { accessToken, type Person } from '../people/people.ts'
import { useStack } from '../stack/stack.ts'

/** One worker of the function `oauth`, in this process, on the stack's database. */
export interface OAuthWorker {
  readonly app: Hono
  readonly deps: OAuthDependencies
  readonly credentials: Credentials
  /** Lines of its log. */
  readonly lines: LogEntry[]
  /** A request of a person, or of nobody. */
  call(person: Person | null, method: string, path: string, body?: unknown): Promise<Response>
}

/** Starts a worker with the stack's variables; changes win. */
export async function startWorker(
  changes: Record<string, string | undefined> = {},
  options: Partial<OAuthDependencies> = {},
): Promise<OAuthWorker> {
  const env = readEnv({ ...useStack().functionEnv, ...changes })
  const lines: LogEntry[] = []
  const created = await createOAuth(env, createDatabase(env), (entry) => lines.push(entry))
  const deps = { ...created, ...options }
  const credentials = createCredentials(deps)
  const { allowLoopback } = deps.settings
  const app = createApp({
    ...deps,
    credentials,
    verifyAccessToken: createAccessTokenVerifier(env),
    openToolServer: createToolServers({ ...deps, allowLoopback }),
    waitUntil: createWaitUntil(deps.log),
  })
  return {
    app,
    deps,
    credentials,
    lines,
    async call(person, method, path, body) {
      return app.request(`/oauth${path}`, {
        method,
        headers: {
          'content-type': 'application/json',
          ...(person && { authorization: `Bearer ${await accessToken(person)}` }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
    },
  }
}
