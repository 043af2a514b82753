import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'

const link = /\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)/g
const code = /`([^`\n]+)`/g
const place = /^(?:supabase|dev|ops|tests|docs|bench|examples|\.ci|_shared)\/[\w.@/-]*$/
const script = /\bnpm run ([\w:-]+)/g

/**
 * Checks what documents say of the tree: that their links lead somewhere, that the files and folders
 * they name exist, that package.json has the scripts, and that decisions have a number and their parts.
 *
 * @param files paths from the root; other files than Markdown are passed over
 * @returns one line per offence; empty when there is none
 */
export async function findDocumentProblems(
  root: string,
  files: readonly string[],
): Promise<string[]> {
  const manifest = await readFile(path.join(root, 'package.json'), 'utf8')
  const { scripts } = JSON.parse(manifest) as { scripts: Record<string, string> }
  const problems: string[] = []
  for (const file of files.filter((name) => name.endsWith('.md'))) {
    const text = await readFile(path.join(root, file), 'utf8')
    const linked = matches(text, link).map((target) => path.join(path.dirname(file), target))
    const named = matches(text, code)
      .filter((name) => place.test(name))
      .map((name) => name.replace(/^_shared/, 'supabase/functions/_shared'))
    const absent = [...linked, ...named].filter((name) => !existsSync(path.join(root, name)))
    const unknown = matches(text, script).filter((name) => !(name in scripts))
    if (decision.test(file)) problems.push(...missingParts(file, text))
    problems.push(
      ...absent.map((name) => `${file} names ${name}, which does not exist`),
      ...unknown.map((name) => `${file} names the script ${name}, which package.json lacks`),
    )
  }
  return [...problems, ...findNumberProblems(files)]
}

const decision = /^docs\/decisions\/(?:(\d{4})-[a-z0-9-]+|.*)\.md$/

/** Decisions are numbered from 0001 without a gap, so that "decision 7" names one file for good. */
function findNumberProblems(files: readonly string[]): string[] {
  const decisions = files.filter((file) => decision.test(file)).sort()
  return decisions
    .map((file, index) => ({ file, number: String(index + 1).padStart(4, '0') }))
    .filter(({ file, number }) => decision.exec(file)?.[1] !== number)
    .map(({ file, number }) => `${file}: its number should be ${number}, as NNNN-what-it-says.md`)
}

function missingParts(file: string, text: string): string[] {
  return ['Context', 'Decision', 'Consequences']
    .filter((part) => !text.includes(`\n## ${part}\n`))
    .map((part) => `${file} lacks the part "## ${part}"`)
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, found = '']) => found)
}
