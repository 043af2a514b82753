import type { Hono } from 'hono'
import { verifySecretKey } from '../_shared/auth/secret-key.ts'
import type { Admin } from '../_shared/database.ts'
import { notConfigured } from '../_shared/errors.ts'
import { createFunctionApp } from '../_shared/http/function-app.ts'
import { allowOnly } from '../_shared/http/handle-error.ts'
import type { WaitUntil } from '../_shared/http/wait-until.ts'
import type { WorkerLife } from '../_shared/http/worker-life.ts'
import type { Log } from '../_shared/log/log.ts'
import type { Clock } from '../_shared/time.ts'
import { cleanUp, type CleanupLimits } from './clean-up.ts'
import { removeFiles } from './remove-files.ts'

export interface CleanupDependencies {
  /** The service role's client: upkeep crosses organizations and has no caller of its own. */
  readonly admin: Admin
  /** The secret key named `session_cleanup`; without one every request is refused. Read by each. */
  readonly cleanupKey: string | undefined
  readonly limits: CleanupLimits
  /** Revokes tokens of ended connections at their issuers, which the schedule does not wait for. */
  readonly revoke: () => Promise<unknown>
  /** Runs the schedules that are due. Their executions take minutes, and nothing waits for them. */
  readonly runSchedules: () => Promise<unknown>
  readonly worker: Pick<WorkerLife, 'begin'>
  /** Makes vectors that are due, which the schedule does not wait for. */
  readonly embed: () => Promise<unknown>
  readonly waitUntil: WaitUntil
  readonly clock: Clock
  readonly log: Log
}

/**
 * Routes of the function `session-cleanup`. Without a limit per person: its one caller is the schedule,
 * whose key is compared before anything else is done.
 */
export function createApp(deps: CleanupDependencies): Hono {
  const app = createFunctionApp('session-cleanup', deps.log, deps.clock)

  app.post('/', deps.worker.begin, async (c) => {
    const { cleanupKey } = deps
    if (cleanupKey === undefined) {
      throw notConfigured('SUPABASE_SECRET_KEYS has no key named "session_cleanup"')
    }
    await verifySecretKey(c.req.raw.headers, cleanupKey)
    const { admin, limits, clock } = deps
    // Before the clean-up: a failure of it does not delay them.
    deps.waitUntil(deps.runSchedules())
    const report = await cleanUp(admin, limits, clock, {
      removed_files: (batch) => removeFiles(admin, batch),
    })
    deps.waitUntil(deps.revoke())
    deps.waitUntil(deps.embed())
    return c.json(report)
  })
  app.all('/', allowOnly('POST'))

  return app
}
