import type { BegunExecution, FinishedExecution } from '../executions/execution.ts'
import type { ModelEvent } from '../models/model-protocol.ts'
import { ChatChunks } from './chat-chunks.ts'
import { identityOf, toChatCompletion } from './chat-completion.ts'
import type { OpenAiErrorBody } from './openai-error.ts'

/** Writes one answer as a stream. Methods return the text of their events. */
export interface AnswerWriter {
  /** What one upstream read brought. */
  answer(model: string, events: readonly ModelEvent[]): string
  /** An answer that came before, whole. */
  repeat(model: string, stored: FinishedExecution): string
  /** The end of an answer that is stored as complete. */
  finish(model: string, stored: FinishedExecution): string
  /** The end of an answer that failed. */
  error(body: OpenAiErrorBody): string
}

/** One of OpenAI's protocols for an answer. */
export interface Dialect {
  createWriter(execution: BegunExecution): AnswerWriter
  toWhole(execution: BegunExecution, stored: FinishedExecution): object
}

/** Chat completions. */
export function chatDialect(includeUsage: boolean): Dialect {
  return {
    createWriter: (execution) => new ChatChunks(identityOf(execution), includeUsage),
    toWhole: (execution, stored) => toChatCompletion(identityOf(execution), stored),
  }
}
