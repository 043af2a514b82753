import type { ChatCompletionRequest, FixtureResponse } from '@copilotkit/aimock'

/** The text of an answer, which must not be mistaken for a model's. */
export function answerTo(question: string, model: string): string {
  const shown = question.length > 200 ? `${question.slice(0, 200)}…` : question
  return (
    `This is a local model server, not a real model: no provider key is configured, so nothing ` +
    `was sent to ${model}. You asked: "${shown}" ` +
    `Say "show me everything", "use a tool" or "please fail" to see more of the page. ` +
    `Set OPENROUTER_API_KEY or VERTEX_SERVICE_ACCOUNT and start again to get real answers.`
  )
}

/** Some seconds of what a page has to show. */
export const everything = `## What an answer may have

This text is of the **local model server**; no model wrote it. It arrives piece by piece, as a model's
does, and it has what a page must show: *emphasis*, \`code\`, [a link](https://example.com/docs) and lists.

1. A list with numbers
2. with [x] a thing that is done

| Language | First | Typed |
| --- | ---: | :---: |
| PostgreSQL | 1996 | yes |
| TypeScript | 2012 | yes |
| JavaScript | 1995 | no |

\`\`\`ts
const total = [1, 2, 3].reduce((sum, one) => sum + one, 0)
console.log(\`The total is \${total}.\`)
\`\`\`

> Ask "use a tool" to see a call that waits for your approval, or "please fail" to see a failure.
`

const thoughts =
  'The person wants to see everything. A table, code and a quotation show the most. I write them in order.'

/** What the local model says: what the question names, or that it is no model. */
export function sayTo(request: ChatCompletionRequest): FixtureResponse {
  const { messages, tools = [], model } = request
  const last = messages.at(-1)
  const question = lastQuestion(messages)
  if (last?.role === 'tool') {
    return { content: `The tool answered: ${textOf(last)}`, usage: countTokens(messages, '') }
  }
  if (/please fail/i.test(question)) {
    // A request that the provider refuses pauses no model, as faults of the provider would.
    const message = 'The local model fails, because it was asked to.'
    return { error: { message, type: 'invalid_request_error' }, status: 400 }
  }
  if (/use (a|the) tool/i.test(question)) {
    const [tool] = tools
    const content = tool
      ? 'The local model server calls a tool.'
      : 'The local model server has no tool. Add an MCP server in the console, and ask again.'
    const usage = countTokens(messages, content)
    if (!tool) return { content, usage }
    return { content, toolCalls: [{ name: tool.function.name, arguments: '{}' }], usage }
  }
  const isShown = /show (me )?everything/i.test(question)
  const content = isShown ? everything : answerTo(question, model)
  const usage = countTokens(messages, content)
  return { content, usage, ...(isShown && { reasoning: thoughts }) }
}

/** Whether the answer takes some seconds, so that a person sees it arrive. */
export function isSlow({ messages }: ChatCompletionRequest): boolean {
  return messages.at(-1)?.role === 'user' && /show (me )?everything/i.test(lastQuestion(messages))
}

type Messages = ChatCompletionRequest['messages']

function textOf({ content }: Messages[number]): string {
  if (content === null || content === undefined) return ''
  if (typeof content === 'string') return content
  return content.map((part) => part.text ?? '').join('')
}

function lastQuestion(messages: Messages): string {
  const question = messages.findLast(({ role }) => role === 'user')
  return question === undefined ? '' : textOf(question)
}

/** About four characters to a token, in the names of both protocols. */
function countTokens(messages: Messages, answer: string) {
  const count = (text: string) => Math.max(1, Math.ceil(text.length / 4))
  const input = messages.reduce((sum, message) => sum + count(textOf(message)), 0)
  const output = count(answer)
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    promptTokenCount: input,
    candidatesTokenCount: output,
    totalTokenCount: input + output,
  }
}
