import { makeScratchDirectory } from '../dev/check/scratch-directory.ts'
import { startStack } from '../dev/stack/stack.ts'

const directory = await makeScratchDirectory()
const { OPENROUTER_API_KEY = '', OPENROUTER_BASE_URL = '' } = process.env
const stack = await startStack({
  port: 0,
  directory: directory.path,
  env: { OPENROUTER_API_KEY, OPENROUTER_BASE_URL },
})
process.once('disconnect', () => {
  void stack.close().finally(() => process.exit())
})
process.send?.({
  url: stack.url,
  publishableKey: stack.publishableKey,
  databaseUrl: stack.databaseUrl,
})
