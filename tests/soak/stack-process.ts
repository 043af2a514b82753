import { startStack } from '../../dev/stack/stack.ts'

/**
 * The stack in a process of its own, so that its memory is its own too. Arguments: the directory,
 * and the functions' variables as JSON. Says what it is to its parent; ends when the parent asks or
 * is gone.
 */
const [directory, env] = process.argv.slice(2)
if (directory === undefined || env === undefined) throw new Error('directory and env are missing')

const stack = await startStack({
  port: 0,
  directory,
  env: JSON.parse(env) as Record<string, string>,
  cleanupIntervalMs: 60_000,
  log: (line) => console.log(line),
})
const close = () => {
  stack.close().then(
    () => process.exit(0),
    (error: unknown) => {
      console.error('the stack did not close', error)
      process.exit(1)
    },
  )
}
process.on('disconnect', close)
process.on('message', close)
process.send?.(stack)
