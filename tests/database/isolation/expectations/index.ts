import { accounts } from './accounts.ts'
import { agents } from './agents.ts'
import { analysis } from './analysis.ts'
import { budgets } from './budgets.ts'
import { content } from './content.ts'
import { feedback } from './feedback.ts'
import { mcp } from './mcp.ts'
import { messages } from './messages.ts'
import { prompts } from './prompts.ts'
import type { RelationExpectation } from './types.ts'

/** What is allowed on every table and view; one that is not listed fails the build. */
export const relationExpectations: Readonly<Record<string, RelationExpectation>> = {
  ...accounts,
  ...agents,
  ...analysis,
  ...budgets,
  ...content,
  ...feedback,
  ...mcp,
  ...messages,
  ...prompts,
}
