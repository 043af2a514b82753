import type { JSONValue, TransactionSql } from 'postgres'
import { as } from '../people/tenants.ts'
import { type Begun, finish } from './executions.ts'
import { beginCalls, callOf, type Decided, type Stage } from './tool-rows.ts'

type Execution = Pick<Begun, 'organization_id' | 'execution_id'>

export const questions = [
  {
    ...{ key: 'q', mode: 'form', message: 'Who?' },
    schema: { type: 'object', properties: {}, required: [], additionalProperties: false },
  },
]
export const sealed = 'v1.k.bm9uY2U.c2VhbGVk'
const hash = (digit: string) => digit.repeat(64)

/** What a worker does when the server of a running call asks the person. */
export function suspend(
  tx: TransactionSql,
  { organization_id, execution_id }: Execution,
  { round = 1, call = 'call-search', asked = questions } = {},
): Promise<string> {
  return as(tx, 'service_role', async (t) => {
    const [row] = await t<{ status: string }[]>`
      select public.suspend_tool_call(
        ${organization_id}, ${execution_id}, ${call}, ${round}, ${t.json(asked)}, ${sealed},
        '{"temperature":0.5}') as status`
    return row?.status ?? ''
  })
}

/** What the function does with an answer of a person. @param digit stands for what was answered */
export const answer =
  (
    { execution_id }: Pick<Begun, 'execution_id'>,
    {
      round = 1,
      call = 'call-search',
      digit = 'a',
      actions = { q: 'accept' },
    }: { round?: number; call?: string; digit?: string; actions?: JSONValue } = {},
  ) =>
  async (tx: TransactionSql): Promise<Decided> => {
    const [row] = await tx<{ result: Decided }[]>`
      select public.answer_tool_call(
        ${execution_id}, ${call}, ${round}, ${tx.json(actions)}, ${sealed}, ${hash(digit)}
      ) as result`
    if (row === undefined) throw new Error('answer_tool_call answered nothing')
    return row.result
  }

export const asking = {
  ...{ status: 'success', finish_reason: 'tool_input_required', latency_ms: 1 },
  parts: [{ type: 'tool_call', id: 'call-search', name: 'server__search', arguments: '{"q":1}' }],
}

/** The execution made a call whose server asks, and ended. */
export async function asked(tx: TransactionSql, { server, listed, begun }: Stage): Promise<void> {
  await beginCalls(tx, begun, [callOf(server, listed, 'search')])
  await suspend(tx, begun)
  await as(tx, 'service_role', finish(begun, asking))
}

/** Sealed values that are kept for the call. */
export async function secretsOf(tx: TransactionSql, { execution_id }: Execution) {
  const [row] = await tx`
    select request_state, answers from private.elicitation_secrets where execution_id = ${execution_id}`
  return { ...row }
}
