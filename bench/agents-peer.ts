import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeScratchDirectory } from '../dev/check/scratch-directory.ts'
import { startFunction } from '../dev/functions/function-process.ts'
import { startStack } from '../dev/stack/stack.ts'

/**
 * A stack, and beside it one more worker of the function `agents` that is called without the local
 * gateway, as nothing of ours is in front of it on the platform.
 */
const directory = await makeScratchDirectory()
const { OPENROUTER_API_KEY = '', OPENROUTER_BASE_URL = '' } = process.env
const env = { OPENROUTER_API_KEY, OPENROUTER_BASE_URL }
const stack = await startStack({ port: 0, directory: directory.path, env })
const agents = startFunction({
  name: 'agents',
  directory: path.join(fileURLToPath(new URL('..', import.meta.url)), 'supabase/functions'),
  env: stack.functionEnv,
  watch: false,
  log: (line) => console.error(line),
})
await agents.ready
process.once('disconnect', () => {
  void Promise.all([agents.close(), stack.close()]).finally(() => process.exit())
})
process.send?.({
  url: stack.url,
  publishableKey: stack.publishableKey,
  secretKey: stack.secretKey,
  databaseUrl: stack.databaseUrl,
  superuserUrl: stack.superuserUrl,
  agentsUrl: agents.address(),
  agentsPid: agents.pid(),
  restPid: process.pid,
  functionEnv: stack.functionEnv,
})
