import type { Admin, Db } from '../database.ts'
import { isExpected, toAppError } from '../errors.ts'
import { errorStack, type LogEntry } from '../log/log.ts'
import type { ModelAnswer } from '../models/model-answer.ts'
import { ModelError } from '../models/model-error.ts'
import type { ModelEvent } from '../models/model-protocol.ts'
import type { Keyset } from '../crypto/keyset.ts'
import type { Clock } from '../time.ts'
import type { OpenToolServer } from '../tools/tool-server.ts'
import type { BegunExecution, RouteStep } from './execution.ts'
import type { Models } from './models.ts'
import type { StepUsage } from './outcome.ts'
import type { RetryPolicy } from './route.ts'
import type { AnswerRecorder } from './stream/answer-recorder.ts'

export interface RunDependencies {
  /** Stores events, ends and leases of executions, which callers must not do for themselves. */
  readonly admin: Admin
  /** Reads the files of a stored conversation as the caller. */
  readonly db?: Db
  readonly models: Models
  /** Opens MCP servers; without it agents call no tool. */
  readonly openToolServer?: OpenToolServer
  /** Seals what a tool call keeps while it waits for the person; without it no tool may ask. */
  readonly keyset?: Keyset
  readonly clock: Clock
  /** A number from 0 up to 1. */
  readonly random: () => number
  readonly log: (entry: LogEntry) => void
  readonly retryPolicy?: RetryPolicy
  /** Aborts when the platform is about to end this worker: what runs then ends as interrupted. */
  readonly shutdown?: AbortSignal
}

/** Milliseconds for a whole answer; the platform ends a request that is silent for 150 s. */
export const timeForWholeAnswer = 145_000

export interface RunOptions {
  /**
   * Whether the model streams its answer, and what it says is stored and written as it comes, for the
   * client and for who follows; else all of it comes at the end.
   */
  readonly stream: boolean
  /** When the request came, on the clock: a whole answer has 145 s from then. Without it, now. */
  readonly since?: number
  /** Receives the UI message stream as it is written, its end included; it must not throw. */
  readonly write?: (text: string) => void
  /** Receives the events of each upstream read; it must neither wait nor throw. */
  readonly onEvents?: (events: readonly ModelEvent[]) => void
  /** Judges a whole answer; an AppError that it throws is the end of the execution. */
  readonly check?: (answer: ModelAnswer) => void
}

/** What a run knows so far. */
export interface Run {
  execution: BegunExecution
  /** The output and the tool calls of all model calls. */
  readonly answer: ModelAnswer
  readonly recorder: AnswerRecorder
  readonly signal: AbortSignal
  readonly elapsed: () => number
  /** The model that was called last. */
  step: RouteStep | null
  /** The model calls that produced an answer or a part of one. */
  readonly calls: StepUsage[]
  /** Characters of output. */
  length: number
  /** Where in the answer's text the last call of the model begins. */
  lastText: number
  firstChunk: number | null
  /** Messages, from the oldest, with which a provider found the request too long. */
  trimmed: number
  /** Messages, from the oldest, that the model that was called last did not get. */
  leftOut: number
  /** The reason to end the answer although it is not whole. */
  finishReason: string | null
  readonly failedModels: RouteStep['model_id'][]
  /** Models that refused a request with what tools showed, and get texts alone. */
  readonly blindModels: Set<RouteStep['model_id']>
}

/** The execution was ended while it ran: cancelled, left to a person, taken from this worker, or out of time. */
export class EndedElsewhere extends Error {
  readonly code:
    | 'execution_cancelled'
    | 'access_revoked'
    | 'person_answers'
    | 'attempt_over'
    | 'interrupted'
    | 'answer_timeout'

  constructor(readonly status: unknown) {
    super('the execution was ended elsewhere')
    const isCancelled = status === 'cancelling' || status === 'cancelled'
    if (status === 'revoked') this.code = 'access_revoked'
    else if (status === 'handled') this.code = 'person_answers'
    else if (status === 'attempt_over') this.code = 'attempt_over'
    else if (status === 'late') this.code = 'answer_timeout'
    else this.code = isCancelled ? 'execution_cancelled' : 'interrupted'
  }
}

export function report(
  { log }: Pick<RunDependencies, 'log'>,
  { execution_id }: Pick<BegunExecution, 'execution_id'>,
  event: string,
  error: unknown,
): void {
  log({ event, execution_id, ...describeEnd(error) })
}

/** Only what an operator may have to look at is a warning. */
function describeEnd(error: unknown): Pick<LogEntry, 'level' | 'code' | 'detail'> {
  if (error instanceof ModelError) {
    const level = error.fault === 'caller' ? 'info' : 'warn'
    return { level, code: error.code, detail: error.detail ?? error.message }
  }
  if (error instanceof EndedElsewhere) {
    const level = error.code === 'interrupted' ? 'warn' : 'info'
    return { level, code: error.code, detail: `${error.message}: ${String(error.status)}` }
  }
  const known = toAppError(error)
  return { level: isExpected(known) ? 'info' : 'warn', code: known.code, detail: errorStack(error) }
}
