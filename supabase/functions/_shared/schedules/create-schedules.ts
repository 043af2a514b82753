import { openKeyset } from '../crypto/keyset.ts'
import type { Database } from '../database.ts'
import type { Env } from '../env.ts'
import { createModels } from '../executions/models.ts'
import type { WorkerLife } from '../http/worker-life.ts'
import { createProblemReport, type Log } from '../log/log.ts'
import { createOrganizationKeyReader } from '../provider-keys/read-key.ts'
import { systemClock } from '../time.ts'
import { lazyToolServers } from '../tools/lazy-tool-servers.ts'
import type { ScheduleDependencies } from './run-due-schedules.ts'

/** The dependencies of the executions of schedules, from the variables, as the function `agents` has them. */
export async function createSchedules(
  env: Env,
  { database, worker, log }: { database: Database; worker: WorkerLife; log: Log },
): Promise<ScheduleDependencies> {
  const report = createProblemReport(log)
  const keyset = await openKeyset(env.tokenEncryptionKeys, report)
  const { admin } = database
  const readKey = createOrganizationKeyReader({ admin, keyset, addresses: env.providerAddresses })
  return {
    admin,
    worker,
    keyset,
    models: createModels(env.models, readKey, report),
    openToolServer: lazyToolServers({ database, keyset, log, allowLoopback: env.localStack }),
    clock: systemClock,
    random: Math.random,
    log,
    get shutdown() {
      return worker.ending
    },
  }
}
