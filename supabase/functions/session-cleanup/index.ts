import { createDatabase } from '../_shared/database.ts'
import { findProblems, readEnv } from '../_shared/env.ts'
import { createWaitUntil } from '../_shared/http/wait-until.ts'
import { WorkerLife } from '../_shared/http/worker-life.ts'
import { loadOnce } from '../_shared/load-once.ts'
import { createLog, createProblemReport, logDefects } from '../_shared/log/log.ts'
import { systemClock } from '../_shared/time.ts'
import { createApp } from './app.ts'

const env = readEnv()
const log = createLog(console.error)
findProblems(env).forEach(createProblemReport(log))

const database = createDatabase(env)
const worker = new WorkerLife(systemClock, () => env.workerSeconds)
// Told by the platform shortly before it ends a worker; a plain Deno process is not.
addEventListener('beforeunload', () => worker.end())

// Loaded after the answer: a cold start does not wait for it.
const loadEmbedding = loadOnce(async () => {
  const [{ openKeyset }, { createModels }, { createOrganizationKeyReader }, { makeEmbeddings }] =
    await Promise.all([
      import('../_shared/crypto/keyset.ts'),
      import('../_shared/executions/models.ts'),
      import('../_shared/provider-keys/read-key.ts'),
      import('../_shared/search/make-embeddings.ts'),
    ])
  const { admin } = database
  const report = createProblemReport(log)
  const keyset = await openKeyset(env.tokenEncryptionKeys, report)
  const readKey = createOrganizationKeyReader({ admin, keyset, addresses: env.providerAddresses })
  const models = createModels(env.models, readKey, report)
  const random = Math.random
  return () => makeEmbeddings({ admin, models, clock: systemClock, random, log, budget: 40_000 })
})
const app = createApp({
  admin: database.admin,
  get cleanupKey() {
    return env.secretKeys['session_cleanup']
  },
  revoke: async () => {
    const claimed = await database.admin.call('claim_mcp_revocations', {})
    if (Array.isArray(claimed) && claimed.length === 0) return
    // Loaded only now: it is a large part of a cold start, and most calls find none.
    const { createOAuth } = await import('../_shared/oauth/create-oauth.ts')
    const { revokeEndedConnections } = await import('../_shared/oauth/revoke-ended-connections.ts')
    await revokeEndedConnections(await createOAuth(env, database, log), claimed)
  },
  runSchedules: async () => {
    if (!(await database.admin.call('has_due_schedule', {}))) return
    // Loaded only now, as above.
    const { createSchedules } = await import('../_shared/schedules/create-schedules.ts')
    const { runDueSchedules } = await import('../_shared/schedules/run-due-schedules.ts')
    await runDueSchedules(await createSchedules(env, { database, worker, log }))
  },
  worker,
  embed: async () => (await loadEmbedding())(),
  waitUntil: createWaitUntil(log),
  limits: { batch: 1_000, budget: 20_000 },
  clock: systemClock,
  log,
})

// Only from here on: an error while the function starts ends it with its reason.
logDefects(globalThis, log)

export default { fetch: (request: Request) => app.fetch(request) }
