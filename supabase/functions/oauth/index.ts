import { createAccessTokenVerifier } from '../_shared/auth/access-token.ts'
import { createDatabase } from '../_shared/database.ts'
import { findProblems, readEnv } from '../_shared/env.ts'
import { createLog, createProblemReport, logDefects } from '../_shared/log/log.ts'
import { createOAuth } from '../_shared/oauth/create-oauth.ts'
import { createCredentials } from '../_shared/oauth/credentials.ts'
import { lazyToolServers } from '../_shared/tools/lazy-tool-servers.ts'
import { createApp } from './app.ts'

const env = readEnv()
const log = createLog(console.error)
findProblems(env).forEach(createProblemReport(log))
const oauth = await createOAuth(env, createDatabase(env), log)

const app = createApp({
  ...oauth,
  credentials: createCredentials(oauth),
  openToolServer: lazyToolServers({ ...oauth, allowLoopback: oauth.settings.allowLoopback }),
  verifyAccessToken: createAccessTokenVerifier(env),
})

// Only from here on: an error while the function starts ends it with its reason.
logDefects(globalThis, log)

export default { fetch: (request: Request) => app.fetch(request) }
