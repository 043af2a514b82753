import { createAccessTokenVerifier } from '../_shared/auth/access-token.ts'
import { createDatabase } from '../_shared/database.ts'
import { readEnv } from '../_shared/env.ts'
import { createModels } from '../_shared/executions/create-models.ts'
import { createLog } from '../_shared/http/log.ts'
import { systemClock } from '../_shared/models/clock.ts'
import { createApp } from './app.ts'

// The platform's way to keep a worker for unfinished work; a plain Deno process just lives on.
declare const EdgeRuntime: { waitUntil(work: Promise<unknown>): void } | undefined

const env = readEnv()

const app = createApp({
  database: createDatabase(env),
  models: createModels(env.models),
  verifyAccessToken: createAccessTokenVerifier(env),
  clock: systemClock,
  random: Math.random,
  log: createLog(console.error),
  waitUntil: (work) => {
    if (typeof EdgeRuntime !== 'undefined') EdgeRuntime.waitUntil(work)
  },
})

export default { fetch: (request: Request) => app.fetch(request) }
