import { readFile } from 'node:fs/promises'
import path from 'node:path'

const mostLines = 300

/** Written by a program, so that their length is nobody's decision. */
const generated: readonly string[] = ['supabase/functions/_shared/database.types.ts']

/** Files that are longer today, and may not grow. A file that was split goes off the list. */
const tooLong: Readonly<Record<string, number>> = {
  'tests/database/audit-events.test.ts': 352,
  'tests/database/budgets.test.ts': 543,
  'tests/database/execution-locks.test.ts': 354,
  'tests/database/tool-calls.test.ts': 578,
  'tests/database/tools.test.ts': 322,
  'tests/functions/oauth/callback.test.ts': 354,
  'tests/functions/oauth/discovery.test.ts': 357,
  'tests/functions/oauth/refresh.test.ts': 433,
  'tests/functions/openai/sdk.test.ts': 414,
  'tests/functions/resume.test.ts': 307,
  'tests/functions/tool-approvals.test.ts': 390,
  'tests/functions/tools.test.ts': 452,
  'tests/shared/executions/invoke.test.ts': 393,
  'tests/shared/executions/run.test.ts': 345,
  'tests/shared/outbound/outbound.test.ts': 344,
  'tests/shared/tools/mcp-server.test.ts': 383,
  'tests/support/fault-table.ts': 329,
}

/**
 * Checks that no file of code has more than 300 lines.
 *
 * @param files paths from the root; only TypeScript and JavaScript counts
 * @returns one line per offence; empty when there is none
 */
export async function findSizeProblems(
  root: string,
  files: readonly string[],
  allowed: Readonly<Record<string, number>> = tooLong,
): Promise<string[]> {
  const problems: string[] = []
  for (const file of files) {
    if (!/\.[jt]s$/.test(file) || generated.includes(file)) continue
    const text = await readFile(path.join(root, file), 'utf8')
    const lines = text.trimEnd().split('\n').length
    const most = allowed[file] ?? mostLines
    if (lines > most) problems.push(`${file} has ${lines} lines, ${most} at most: split it`)
    if (file in allowed && lines <= mostLines) {
      problems.push(`${file} has ${lines} lines now: take it off the list`)
    }
  }
  const gone = Object.keys(allowed).filter((file) => !files.includes(file))
  return [...problems, ...gone.map((file) => `${file} is gone: take it off the list`)]
}
