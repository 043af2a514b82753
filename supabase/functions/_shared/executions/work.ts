import type { ModelEvent } from '../models/types.ts'
import type { FinishedExecution } from './types.ts'

/** Brings an execution to its end, telling events as they arrive, and returns it as stored. */
export type Work = (
  onEvents?: (events: readonly ModelEvent[]) => void,
) => Promise<FinishedExecution>

/** Keeps the worker alive until the work is done, whether or not its client waits. */
export type WaitUntil = (work: Promise<unknown>) => void
