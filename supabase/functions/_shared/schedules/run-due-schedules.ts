import type { BegunExecution } from '../executions/execution.ts'
import { timeToAnswer } from '../executions/queue.ts'
import { runExecution, type RunDependencies } from '../executions/run.ts'
import type { WorkerLife } from '../http/worker-life.ts'

/** Executions of schedules that a worker runs at once. */
const atOnce = 8

export interface ScheduleDependencies extends RunDependencies {
  readonly worker: Pick<WorkerLife, 'left'>
}

/** What `begin_due_schedule` answers. */
interface DueSchedule {
  readonly schedule_id: string
  readonly execution?: BegunExecution
  /** Why the execution did not begin. */
  readonly error_code?: string
}

/**
 * Runs the executions of the schedules that are due, until none is left or the worker may have no time for
 * another answer; the next call then takes the rest. Workers at once share them: the database gives each
 * due time to one of them.
 * @throws the first failure, once the other executions have ended
 */
export async function runDueSchedules(deps: ScheduleDependencies): Promise<void> {
  const providers = [...deps.models.providers]
  const runNext = async (): Promise<boolean> => {
    if (deps.worker.left() <= timeToAnswer) return false
    const due = (await deps.admin.call('begin_due_schedule', { providers })) as DueSchedule | null
    if (due === null) return false
    const { schedule_id: detail, execution, error_code: code = '' } = due
    if (execution) await runExecution(deps, execution, { stream: true })
    else deps.log({ level: 'info', event: 'schedule_refused', code, detail })
    return true
  }
  const runAll = async () => {
    while (await runNext()) continue
  }
  const ended = await Promise.allSettled(Array.from({ length: atOnce }, runAll))
  for (const one of ended) if (one.status === 'rejected') throw one.reason
}
