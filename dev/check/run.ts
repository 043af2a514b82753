import { availableParallelism } from 'node:os'
import { databaseSteps } from './database-steps.ts'
import { runSteps, type Step } from './runner.ts'
import { documentsStep, sourceSteps } from './source-steps.ts'

// npm run check [-- <step> ...]
// An exit, unlike a signal, lets what was started clean up.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))

const database = databaseSteps()
// In the order in which they begin: the longest first, so that none is waited for at the end.
const steps: Step[] = [
  ...sourceSteps,
  documentsStep(() => steps.map(({ name }) => name)),
  ...database.steps,
]
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !steps.some((step) => step.name === name))

if (unknown.length > 0) {
  console.error(
    `No such step: ${unknown.join(', ')}. There are: ${steps.map((s) => s.name).join(', ')}`,
  )
  process.exitCode = 2
} else {
  const ok = await runSteps(
    wanted.length === 0 ? steps : steps.filter((step) => wanted.includes(step.name)),
    {
      log: (line) => {
        console.log(line)
      },
      now: () => performance.now(),
      strict: Boolean(process.env.CI),
      atOnce: availableParallelism(),
    },
  )
  await database.close()
  process.exitCode = ok ? 0 : 1
}
