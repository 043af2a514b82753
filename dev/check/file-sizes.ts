import { readFile } from 'node:fs/promises'
import path from 'node:path'

const mostLines = 300

/** Files that a program writes and that may be longer. */
const generated: readonly string[] = ['supabase/functions/_shared/database.types.ts']

/** Files that are longer today, and may not grow. A file that was split goes off the list. */
const tooLong: Readonly<Record<string, number>> = {
  'tests/functions/oauth/discovery.test.ts': 361,
  'tests/clients/openai-sdk.test.ts': 414,
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
