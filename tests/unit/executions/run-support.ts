import type { Models } from '../../../supabase/functions/_shared/executions/models.ts'
import { runExecution } from '../../../supabase/functions/_shared/executions/run.ts'
import type { LogEntry } from '../../../supabase/functions/_shared/log/log.ts'
import type { ModelEvent } from '../../../supabase/functions/_shared/models/model-protocol.ts'
import type { Clock } from '../../../supabase/functions/_shared/time.ts'
import {
  begunExecution,
  fakeDatabase,
  fakeModels,
  helloAnswer,
  withoutEvents,
} from '../../support/agents/agents-fixture.ts'
import { stoppedClock } from '../../support/clocks.ts'

export async function run(
  models: Models,
  options: {
    answers?: Parameters<typeof fakeDatabase>[0]
    clock?: Clock
    execution?: Parameters<typeof begunExecution>[0]
    shutdown?: AbortSignal
  } = {},
) {
  const { admin, outcomes, calls } = fakeDatabase(options.answers)
  const written: string[] = []
  const entries: LogEntry[] = []
  const events: ModelEvent[] = []
  const deps = {
    admin,
    models,
    clock: options.clock ?? stoppedClock,
    random: () => 0,
    ...(options.shutdown && { shutdown: options.shutdown }),
    log: (entry: LogEntry) => entries.push(entry),
  }
  const stored = await runExecution(deps, begunExecution(options.execution), {
    stream: true,
    write: (text) => written.push(text),
    onEvents: (batch) => events.push(...batch),
  }).catch((error: unknown) => error)
  const ends = outcomes()
  return { stored, ends, outcomes: ends.map(withoutEvents), calls, entries, events, written }
}

/** Answers the first batches and then fails. */
export const failing = (batches: number, error: unknown) =>
  fakeModels(async function* () {
    yield* helloAnswer.slice(0, batches)
    throw error
  })
