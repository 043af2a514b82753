import { createAccessTokenVerifier } from '../_shared/auth/access-token.ts'
import { readKeyset } from '../_shared/crypto/keyset.ts'
import { createDatabase } from '../_shared/database.ts'
import { readEnv } from '../_shared/env.ts'
import { createModels } from '../_shared/executions/create-models.ts'
import { createOrganizationKeyReader } from '../_shared/executions/organization-key.ts'
import { createKeyTest } from '../_shared/executions/test-key.ts'
import { createWaitUntil } from '../_shared/executions/wait-until.ts'
import { createLog } from '../_shared/http/log.ts'
import { logDefects } from '../_shared/http/log-defects.ts'
import { isLocalStack } from '../_shared/http/outbound/local-stack.ts'
import { systemClock } from '../_shared/models/clock.ts'
import { lazyToolServers } from '../_shared/tools/lazy-tool-servers.ts'
import { createApp } from './app.ts'

const env = readEnv()
const keyset = await readKeyset(env.tokenEncryptionKeys)
const database = createDatabase(env)
const addresses = env.providerAddresses
const readOrganizationKey = createOrganizationKeyReader({
  admin: database.admin,
  keyset,
  addresses,
})

// Told by the platform shortly before it ends a worker; a plain Deno process is not.
const shutdown = new AbortController()
addEventListener('beforeunload', () => shutdown.abort())

const log = createLog(console.error)
logDefects(globalThis, log)
const allowLoopback = isLocalStack(env.supabaseUrl)

const app = createApp({
  database,
  shutdown: shutdown.signal,
  keyset,
  models: createModels(env.models, readOrganizationKey),
  testKey: createKeyTest(addresses),
  verifyAccessToken: createAccessTokenVerifier(env),
  clock: systemClock,
  random: Math.random,
  openToolServer: lazyToolServers({ database, keyset, log, allowLoopback }),
  log,
  waitUntil: createWaitUntil(log),
})

export default { fetch: (request: Request) => app.fetch(request) }
