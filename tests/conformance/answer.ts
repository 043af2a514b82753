import type { Answers, Question } from '../../supabase/functions/_shared/tools/elicitation.ts'
import type {
  ToolDefinition,
  ToolOutcome,
  ToolServer,
} from '../../supabase/functions/_shared/tools/tool-server.ts'

const never = new AbortController().signal
const mostRounds = 8

/** Calls a tool as an execution does, and answers what its server asks as a willing person would. */
export async function callAnswering(
  server: ToolServer,
  definition: ToolDefinition,
  args: Readonly<Record<string, unknown>>,
): Promise<ToolOutcome> {
  let outcome = await server.call(definition, args, never)
  for (let round = 1; outcome.elicitation && round <= mostRounds; round += 1) {
    const { questions, state, takesAnswers } = outcome.elicitation
    const answers: Answers = Object.fromEntries(
      questions.map((asked) => [asked.key, answerTo(asked)]),
    )
    outcome = await server.call(definition, args, never, { answers, state, takesAnswers })
  }
  return outcome
}

function answerTo(question: Question): Answers[string] {
  if (question.mode === 'url') return { action: 'accept' }
  const fields = Object.entries(question.schema.properties)
  const content = Object.fromEntries(fields.map(([name, field]) => [name, valueOf(field)]))
  return { action: 'accept', content }
}

function valueOf(field: Readonly<Record<string, unknown>>) {
  const { type, default: value, enum: texts, oneOf } = field
  if (value !== undefined) return value as string
  if (type === 'boolean') return true
  if (type === 'number' || type === 'integer') return 1
  if (type === 'array') return []
  const options = oneOf as { const: string }[] | undefined
  return (texts as string[] | undefined)?.[0] ?? options?.[0]?.const ?? 'text'
}
