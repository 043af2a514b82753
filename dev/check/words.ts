import { readFile } from 'node:fs/promises'
import path from 'node:path'

const things = [
  'adapter|agent|answer|call|client|connection|execution|function|model|process|program|provider',
  'query|request|row|script|server|session|statement|stream|token|tool|transaction|trigger|worker',
].join('|')

/** Words that hide the actor or the effect, and what to write instead. */
const words: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
  { pattern: /\b(?:who|whom)(?:so)?ever\b/gi, instead: 'name the person or the role' },
  { pattern: /\b(?:some|any)body\b/gi, instead: 'name the person or the role' },
  { pattern: /\bof (?:no )?use\b/gi, instead: 'say what works or fails' },
  { pattern: /\b(?:what|who) is dead\b/gi, instead: 'name what ended' },
  {
    pattern: new RegExp(`\\b(?:${things})s? who\\b`, 'gi'),
    instead: 'a thing is "that" or "which"',
  },
]

/** The program that writes it or the licence that fixes it chose the words of these files. */
const foreign: readonly string[] = ['LICENSE', 'docs/mutation-report.md', 'package-lock.json']
const own: readonly string[] = ['dev/check/words.ts', 'tests/unit/dev/check/words.test.ts']
const written = /\.(?:md|sql|ts|tsx|js|mjs|html|yml|toml|sh)$|(?:^|\/)\.env\.example$/

/**
 * Finds words that a newcomer must read twice, in documents, comments, messages and test titles.
 *
 * @param files paths from the root
 * @returns one line per word; empty when there is none
 */
export async function findWordProblems(root: string, files: readonly string[]): Promise<string[]> {
  const read = files.filter(
    (name) => written.test(name) && !foreign.includes(name) && !own.includes(name),
  )
  const texts = await Promise.all(
    read.map(async (name) => ({ name, text: await readFile(path.join(root, name), 'utf8') })),
  )
  return texts.flatMap(({ name, text }) =>
    words.flatMap(({ pattern, instead }) =>
      [...text.matchAll(pattern)].map(
        ({ 0: found, index }) => `${name}:${lineOf(text, index)} says "${found}": ${instead}`,
      ),
    ),
  )
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}
