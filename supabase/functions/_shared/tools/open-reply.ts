import type { Keyset } from '../crypto/keyset.ts'
import { OpenError } from '../crypto/seal.ts'
import type { Log } from '../log/log.ts'
import { findAnswerProblem } from './check-answers.ts'
import type { Question, Reply } from './elicitation.ts'
import { openRound } from './elicitation-seals.ts'
import { textResult } from './tool-result.ts'
import type { ToolErrorCode, ToolOutcome } from './tool-server.ts'
import { askedWronglyText, declinedText } from './tool-texts.ts'

/** What `claim_tool_calls` gives of a call that asked the person; the sealed values once. */
export interface ClaimedInput {
  readonly round: number
  readonly questions: readonly Question[]
  readonly request_state: string | null
  readonly answers: string | null
}

interface AnsweredCall {
  readonly organization_id: number
  readonly execution_id: string
  readonly tool_call_id: string
  readonly input?: ClaimedInput | null
}

/** What the repeated call brings with it, or why it is not made. Both absent: a first call. */
export interface OpenedReply {
  readonly reply?: Reply
  readonly refusal?: ToolOutcome
}

/** Opens the answers of the person and checks them again: the database holds what a client sent. */
export async function openReply(
  { keyset, log }: { readonly keyset?: Keyset | undefined; readonly log: Log },
  { organization_id, execution_id, tool_call_id, input }: AnsweredCall,
): Promise<OpenedReply> {
  if (!input) return {}
  const { round, questions, request_state, answers } = input
  if (!keyset || request_state === null || answers === null) {
    return refuse('tool_input_invalid', askedWronglyText('the answers are not there'))
  }
  const key = { organization_id, execution_id, tool_call_id, round }
  try {
    const reply = await openRound(keyset, key, { request_state, answers })
    if (findAnswerProblem(questions, reply.answers)) {
      return refuse('tool_input_invalid', askedWronglyText('the answers do not match'))
    }
    const isDone = Object.values(reply.answers).every(({ action }) => action === 'accept')
    // Such a server learns of nothing but a repeated call.
    if (!reply.takesAnswers && !isDone) return refuse('tool_input_declined', declinedText)
    return { reply }
  } catch (error) {
    if (!(error instanceof OpenError)) throw error
    log({ level: 'error', event: 'answers_not_opened', execution_id, detail: error.message })
    return refuse('tool_input_invalid', askedWronglyText('the answers could not be opened'))
  }
}

function refuse(error_code: ToolErrorCode, text: string): OpenedReply {
  return { refusal: { status: 'error', error_code, result: textResult(text) } }
}
