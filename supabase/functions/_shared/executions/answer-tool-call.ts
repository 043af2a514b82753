import * as z from 'zod'
import type { Caller } from '../auth/access-token.ts'
import { sha256Hex } from '../crypto/secret.ts'
import { AppError } from '../errors.ts'
import { storableText } from '../http/validate.ts'
import { findAnswerProblem } from '../tools/check-answers.ts'
import { maxAnswersBytes, maxKey, type Question } from '../tools/elicitation.ts'
import { sealAnswers } from '../tools/elicitation-seals.ts'
import { continueWith, type Decision } from './decide-tool-call.ts'
import type { InvokeDependencies } from './invoke.ts'

const value = z.union([
  storableText(maxAnswersBytes),
  z.number(),
  z.boolean(),
  z.array(storableText(maxAnswersBytes)),
])

/** Body of `POST /agents/executions/:id/answers/:tool_call_id`. */
export const answersSchema = z.strictObject({
  /** Of the questions that the person saw. */
  round: z.int().min(1),
  /** By the key of each question. */
  answers: z.record(
    storableText(maxKey),
    z.strictObject({
      action: z.enum(['accept', 'decline', 'cancel']),
      /** What the person filled in; with an accepted form alone. */
      content: z.record(z.string(), value).optional(),
    }),
  ),
})

/** Bytes of the body: the largest answers, whatever their escapes in JSON. */
export const answersLimit = { bytes: 256 * 1024, path: 'answers' } as const

interface ReadElicitation {
  readonly organization_id: number
  readonly round: number
  readonly questions: readonly Question[]
}

/**
 * Answers the questions of a call of the caller's own execution. The last answer or decision begins the
 * execution that continues.
 * @throws AppError `invalid_request` with the path of what does not answer the question,
 * `tool_call_not_found`, and what decideToolCall() throws
 */
export async function answerToolCall(
  deps: InvokeDependencies & Required<Pick<InvokeDependencies, 'keyset'>>,
  caller: Caller,
  execution_id: string,
  tool_call_id: string,
  { round, answers }: z.output<typeof answersSchema>,
): Promise<Decision> {
  const db = deps.database.forCaller(caller.accessToken)
  const read = await db.call('read_elicitation', { execution_id, tool_call_id })
  if (read === null) throw new AppError('tool_call_not_found')
  const { organization_id, round: asked, questions } = read as ReadElicitation
  if (round !== asked) throw new AppError('tool_call_decided')
  const problem = findAnswerProblem(questions, answers)
  if (problem) {
    const path = problem.path.slice(0, 200)
    throw new AppError('invalid_request', { path, message: `${path}: ${problem.message}` })
  }
  const inOrder = questions.map(({ key }) => [key, answers[key]] as const)
  const key = { organization_id, execution_id, tool_call_id, round }
  const sealed = await sealAnswers(deps.keyset, key, answers)
  return continueWith(deps, caller, async (own, providers) =>
    own.call('answer_tool_call', {
      execution_id,
      tool_call_id,
      round,
      actions: Object.fromEntries(inOrder.map(([name, answer]) => [name, answer?.action])),
      answers: sealed,
      answers_hash: await sha256Hex(canonical(inOrder)),
      providers,
    }),
  )
}

/** The same text for the same answers, whatever the order of their fields. */
function canonical(answers: unknown): string {
  return JSON.stringify(answers, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  )
}
