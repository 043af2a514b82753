import { createDatabase } from '../_shared/database.ts'
import { findProblems, readEnv } from '../_shared/env.ts'
import { createLog, createProblemReport, logDefects } from '../_shared/log/log.ts'
import { systemClock } from '../_shared/time.ts'
import { createApp } from './app.ts'

const env = readEnv()
const log = createLog(console.error)
findProblems(env).forEach(createProblemReport(log))

const app = createApp({
  admin: createDatabase(env).admin,
  get cleanupKey() {
    return env.secretKeys['session_cleanup']
  },
  limits: { batch: 1_000, budget: 20_000 },
  clock: systemClock,
  log,
})

// Only from here on: an error while the function starts ends it with its reason.
logDefects(globalThis, log)

export default { fetch: (request: Request) => app.fetch(request) }
