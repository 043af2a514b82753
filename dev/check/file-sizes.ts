import { readFile } from 'node:fs/promises'
import path from 'node:path'

const mostLines = 300

/** Files that a program writes and that may be longer. */
const generated: readonly string[] = ['supabase/functions/_shared/database.types.ts']

/**
 * Checks that no file of code has more than 300 lines.
 *
 * @param files paths from the root; only TypeScript and JavaScript counts
 * @returns one line per offence; empty when there is none
 */
export async function findSizeProblems(root: string, files: readonly string[]): Promise<string[]> {
  const problems: string[] = []
  for (const file of files) {
    if (!/\.[jt]sx?$/.test(file) || generated.includes(file)) continue
    const text = await readFile(path.join(root, file), 'utf8')
    const lines = text.trimEnd().split('\n').length
    if (lines > mostLines) {
      problems.push(`${file} has ${lines} lines, ${mostLines} at most: split it`)
    }
  }
  return problems
}
