import { createDatabase } from '../_shared/database.ts'
import { findProblems, readEnv } from '../_shared/env.ts'
import { createLazyFunction } from '../_shared/http/lazy-function.ts'
import { createWaitUntil } from '../_shared/http/wait-until.ts'
import { createLog, createProblemReport, logDefects } from '../_shared/log/log.ts'
import { createOAuth } from '../_shared/oauth/create-oauth.ts'
import { lazyToolServers } from '../_shared/tools/lazy-tool-servers.ts'

const env = readEnv()
const log = createLog(console.error)
findProblems(env).forEach(createProblemReport(log))
const oauth = await createOAuth(env, createDatabase(env), log)

// Only from here on: an error while the function starts ends it with its reason.
logDefects(globalThis, log)

export default {
  fetch: createLazyFunction('oauth', oauth, async () => {
    const [{ createApp }, { createAccessTokenVerifier }, { createCredentials }] = await Promise.all(
      [
        import('./app.ts'),
        import('../_shared/auth/access-token.ts'),
        import('../_shared/oauth/credentials.ts'),
      ],
    )
    return createApp({
      ...oauth,
      credentials: createCredentials(oauth),
      openToolServer: lazyToolServers({ ...oauth, allowLoopback: oauth.settings.allowLoopback }),
      verifyAccessToken: createAccessTokenVerifier(env),
      waitUntil: createWaitUntil(log),
    })
  }),
}
