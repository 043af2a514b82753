import type { UIMessage } from 'ai'
import type { Elicitation, ElicitationAnswer } from 'colloquy/client'
import type { RefObject } from 'react'
import type { Rating } from './use-ratings.ts'

/** By the key of each question. */
export type Answers = Readonly<Record<string, ElicitationAnswer>>

/** What a person does with a message. */
export interface MessageActions {
  /** @throws the reason why the answers are refused */
  readonly onAnswer: (asked: Elicitation, answers: Answers) => Promise<void>
  readonly onDecide: (call: string, approved: boolean) => void
  readonly onEdit: (message: UIMessage, text: string) => void
  readonly onRate: (messageId: string, rating: Rating | null) => void
  readonly onRegenerate: (messageId: string) => void
  readonly onShowBranch: (end: string) => void
}

/** What the actions do changes with each drawing; where they stand does not. */
export type LatestActions = RefObject<MessageActions>
