import type { Keyset } from '../crypto/keyset.ts'
import { open, type Place, seal } from '../crypto/seal.ts'
import type { Answers } from './elicitation.ts'

/** A round of questions of one call. */
export interface RoundKey {
  readonly organization_id: number
  readonly execution_id: string
  readonly tool_call_id: string
  readonly round: number
}

/** Where a round's values are sealed; private.sealed_values uses the same name of a row. */
function placeOf(key: RoundKey, column: 'request_state' | 'answers'): Place {
  const { organization_id: organizationId, execution_id, round, tool_call_id } = key
  const row = `${execution_id} ${round} ${tool_call_id}`
  return { table: 'private.elicitation_secrets', organizationId, row, column }
}

/** What else belongs to the state: how the server takes the answers. */
export interface KeptState {
  readonly state: string | null
  readonly takesAnswers: boolean
}

export function sealState(keyset: Keyset, key: RoundKey, kept: KeptState): Promise<string> {
  const { state, takesAnswers } = kept
  return seal(keyset, placeOf(key, 'request_state'), JSON.stringify({ state, takesAnswers }))
}

export function sealAnswers(keyset: Keyset, key: RoundKey, answers: Answers): Promise<string> {
  return seal(keyset, placeOf(key, 'answers'), JSON.stringify(answers))
}

/** @throws OpenError for values of another round or call */
export async function openRound(
  keyset: Keyset,
  key: RoundKey,
  sealed: { readonly request_state: string; readonly answers: string },
): Promise<KeptState & { readonly answers: Answers }> {
  const state = await open(keyset, placeOf(key, 'request_state'), sealed.request_state)
  const answers = await open(keyset, placeOf(key, 'answers'), sealed.answers)
  return { ...(JSON.parse(state) as KeptState), answers: JSON.parse(answers) as Answers }
}
