import { createDatabase } from '../_shared/database.ts'
import { readEnv } from '../_shared/env.ts'
import { logDefects } from '../_shared/http/log-defects.ts'
import { createLog } from '../_shared/log/log.ts'
import { createApp } from './app.ts'

const env = readEnv()
const log = createLog(console.error)
const cleanupKey = env.secretKeys['session_cleanup']
if (cleanupKey === undefined) log({ level: 'warn', event: 'no_secret_key_named_session_cleanup' })

const app = createApp({
  admin: createDatabase(env).admin,
  cleanupKey,
  limits: { batch: 1_000, budget: 20_000 },
  now: () => Date.now(),
  log,
})

// Only from here on: an error while the function starts ends it with its reason.
logDefects(globalThis, log)

export default { fetch: (request: Request) => app.fetch(request) }
