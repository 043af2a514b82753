import { type Admin, untilStored } from '../database.ts'
import type { Keyset } from '../crypto/keyset.ts'
import { toAppError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import type { Clock } from '../time.ts'
import { maxRounds } from './elicitation.ts'
import { sealState } from './elicitation-seals.ts'
import type { ClaimedInput } from './open-reply.ts'
import { type Chunk, elicitationChunk } from './tool-chunks.ts'
import { textResult } from './tool-result.ts'
import type { ToolErrorCode, ToolOutcome } from './tool-server.ts'
import { asksTooOftenText, notMadeText } from './tool-texts.ts'

export interface SuspendDependencies {
  /** Writes tool calls, which callers must not do for themselves. */
  readonly admin: Admin
  readonly keyset?: Keyset | undefined
  readonly log: Log
  readonly clock: Clock
  readonly random: () => number
  readonly emit: (chunks: readonly Chunk[]) => void
}

export interface SuspendableCall {
  readonly organization_id: number
  readonly execution_id: string
  readonly attempt: number
  readonly tool_call_id: string
  readonly serverName: string
  readonly definition: { readonly name: string }
  readonly params?: Readonly<Record<string, unknown>>
  readonly input?: ClaimedInput | null
}

/**
 * Lets a call wait whose server asks the person first: stores the questions and shows them.
 * @returns null when the call waits, else how it ended
 */
export async function suspendCall(
  deps: SuspendDependencies,
  call: SuspendableCall,
  { elicitation, ...outcome }: ToolOutcome,
): Promise<ToolOutcome | null> {
  const { keyset, admin, log } = deps
  if (!elicitation || !keyset) return outcome
  const { organization_id, execution_id, attempt, tool_call_id, serverName, definition } = call
  const round = (call.input?.round ?? 0) + 1
  if (round > maxRounds) return ended('tool_input_limit', asksTooOftenText)
  const key = { organization_id, execution_id, tool_call_id, round }
  const { questions } = elicitation
  const request_state = await sealState(keyset, key, elicitation)
  const args = { ...key, questions, request_state, params: call.params ?? {}, attempt }
  try {
    const status = await untilStored(() => admin.call('suspend_tool_call', args), deps)
    if (status !== 'pending')
      return ended('execution_cancelled', notMadeText('execution_cancelled'))
  } catch (error) {
    log({
      level: 'error',
      event: 'question_not_stored',
      execution_id,
      code: toAppError(error).code,
    })
    return outcome
  }
  const shown = { execution_id, tool_call_id, server: serverName, tool: definition.name }
  deps.emit([elicitationChunk({ ...shown, round, questions })])
  return null
}

function ended(error_code: ToolErrorCode, text: string): ToolOutcome {
  return { status: 'error', error_code, result: textResult(text) }
}
