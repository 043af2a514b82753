import { openKeyset } from '../_shared/crypto/keyset.ts'
import { createDatabase } from '../_shared/database.ts'
import { findProblems, readEnv } from '../_shared/env.ts'
import { createModels } from '../_shared/executions/models.ts'
import { createLazyFunction } from '../_shared/http/lazy-function.ts'
import { createWaitUntil } from '../_shared/http/wait-until.ts'
import { WorkerLife } from '../_shared/http/worker-life.ts'
import { createLog, createProblemReport, logDefects } from '../_shared/log/log.ts'
import { createOrganizationKeyReader } from '../_shared/provider-keys/read-key.ts'
import { systemClock } from '../_shared/time.ts'
import { lazyToolServers } from '../_shared/tools/lazy-tool-servers.ts'

const env = readEnv()
const log = createLog(console.error)
const report = createProblemReport(log)
findProblems(env).forEach(report)
const keyset = await openKeyset(env.tokenEncryptionKeys, report)
const database = createDatabase(env)
const addresses = env.providerAddresses
const readOrganizationKey = createOrganizationKeyReader({
  admin: database.admin,
  keyset,
  addresses,
})

const worker = new WorkerLife(systemClock, () => env.workerSeconds)
// Told by the platform shortly before it ends a worker; a plain Deno process is not.
addEventListener('beforeunload', () => worker.end())

// Made now, so that the log says at once which variables are wrong.
const models = createModels(env.models, readOrganizationKey, report)

// Only from here on: an error while the function starts ends it with its reason.
logDefects(globalThis, log)

export default {
  fetch: createLazyFunction('agents', { log, clock: systemClock }, async () => {
    const [{ createApp }, { createAccessTokenVerifier }, { createKeyTest }] = await Promise.all([
      import('./app.ts'),
      import('../_shared/auth/access-token.ts'),
      import('../_shared/provider-keys/test-key.ts'),
    ])
    return createApp({
      database,
      worker,
      keyset,
      models,
      testKey: createKeyTest(addresses),
      verifyAccessToken: createAccessTokenVerifier(env),
      clock: systemClock,
      random: Math.random,
      openToolServer: lazyToolServers({ database, keyset, log, allowLoopback: env.localStack }),
      log,
      waitUntil: createWaitUntil(log),
    })
  }),
}
