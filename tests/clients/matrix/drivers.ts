import type { ClientDriver } from './driver.ts'
import { aiSdkDrivers } from './drivers/ai-sdk.ts'
import { langchainDrivers } from './drivers/langchain.ts'
import { llamaIndexDrivers } from './drivers/llamaindex.ts'
import { openaiAgents } from './drivers/openai-agents.ts'
import { openaiChat } from './drivers/openai-chat.ts'
import { openaiResponses } from './drivers/openai-responses.ts'
import { openrouterSdk } from './drivers/openrouter-sdk.ts'

/** Every client of the matrix. A new one is a file in drivers/, and a line here. */
export const drivers: readonly ClientDriver[] = [
  openaiChat,
  openaiResponses,
  ...aiSdkDrivers,
  ...openaiAgents,
  openrouterSdk,
  ...langchainDrivers,
  ...llamaIndexDrivers,
]
