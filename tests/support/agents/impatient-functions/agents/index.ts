import { createAccessTokenVerifier } from '../../../../../supabase/functions/_shared/auth/access-token.ts'
import { readKeyset } from '../../../../../supabase/functions/_shared/crypto/keyset.ts'
import { createDatabase } from '../../../../../supabase/functions/_shared/database.ts'
import { readEnv } from '../../../../../supabase/functions/_shared/env.ts'
import {
  type Models,
  toEvents,
} from '../../../../../supabase/functions/_shared/executions/models.ts'
import { createWaitUntil } from '../../../../../supabase/functions/_shared/http/wait-until.ts'
import { WorkerLife } from '../../../../../supabase/functions/_shared/http/worker-life.ts'
import { createLog } from '../../../../../supabase/functions/_shared/log/log.ts'
import { completeModel } from '../../../../../supabase/functions/_shared/models/complete-model.ts'
import {
  configuredProviders,
  resolveAdapter,
} from '../../../../../supabase/functions/_shared/models/registry.ts'
import { streamModel } from '../../../../../supabase/functions/_shared/models/stream-model.ts'
import { systemClock } from '../../../../../supabase/functions/_shared/time.ts'
import { createApp } from '../../../../../supabase/functions/agents/app.ts'

// The function `agents` with less patience, so that a test of silence takes seconds, not minutes.
const timeouts = {
  connectMs: 2_000,
  firstTokenMs: 2_000,
  betweenTokensMs: 2_000,
  trailerMs: 1_000,
  completeMs: 2_000,
}

const env = readEnv()
const log = createLog(console.error)

const models: Models = {
  providers: configuredProviders(env.models, (problem) => {
    throw new Error(problem)
  }),
  async call({ provider }, request, take, { stream, signal }) {
    const adapter = resolveAdapter(provider, env.models)
    if (stream) await streamModel(adapter, request, take, { signal, timeouts })
    else take(toEvents(await completeModel(adapter, request, { signal, timeouts })))
  },
}

const app = createApp({
  database: createDatabase(env),
  keyset: await readKeyset(env.tokenEncryptionKeys),
  models,
  testKey: () => Promise.reject(new Error('no key is tested here')),
  verifyAccessToken: createAccessTokenVerifier(env),
  clock: systemClock,
  worker: new WorkerLife(systemClock, () => env.workerSeconds),
  random: Math.random,
  log,
  waitUntil: createWaitUntil(log),
})

export default { fetch: (request: Request) => app.fetch(request) }
