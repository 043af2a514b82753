import { type ProcessMark, survivors } from '../../support/stack/processes.ts'
import { allowed, type Growth } from '../memory.ts'
import type { Finding } from './invariant.ts'

/** A crash that nothing caught, in a line that a process writes when it happens. */
const unhandled =
  /\b(Uncaught|[Uu]nhandled|TypeError|ReferenceError|RangeError|AssertionError|panicked|PANIC|deadlock detected|out of memory)\b/
/** The same in an entry of a function's log, which also tells how a connection was lost. */
const defect =
  /"code":"internal_error"|(TypeError|ReferenceError|RangeError)(?!: (fetch failed|error (sending|reading)))/

export function checkLogs(lines: readonly string[]): Finding {
  const wrong = lines.filter((line) => (/^[\w-]+: \{"/.test(line) ? defect : unhandled).test(line))
  return { name: 'no unhandled error in the logs', checked: `${lines.length} lines`, wrong }
}

export function checkMemory(growth: readonly Growth[]): Finding {
  const wrong = growth
    .filter(({ isFlat }) => !isFlat)
    .map(
      ({ name, before, after, seconds }) =>
        `${name} grew from ${before.toFixed(0)} to ${after.toFixed(0)} MB in ${seconds.toFixed(0)} s`,
    )
  const bound = `${allowed.factor} × + ${allowed.megabytes} MB`
  return { name: `memory flat (${bound})`, checked: `${growth.length} lives`, wrong }
}

/** After the stack is closed. */
export async function checkProcesses(marks: ProcessMark[]): Promise<Finding> {
  const left = await survivors(marks, 10_000)
  const wrong = left.map(({ pid, command }) => `process ${pid} (${command}) is left`)
  return { name: 'no process left', checked: `${marks.length} processes`, wrong }
}
