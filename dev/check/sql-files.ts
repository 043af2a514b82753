import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'

const longestLine = 110

/**
 * References that may run to a later file: the file that has them, and the names. All stand in
 * bodies of functions, which look names up when they run.
 */
const forwardReferences: Readonly<Record<string, readonly string[]>> = {
  '20261120000200_organizations.sql': ['private.scope_permissions', 'client_mgmt.access_grants'],
  '20261120000300_audit.sql': ['private.count_change'],
}

export interface SqlFile {
  name: string
  text: string
}

/** The migrations in the order in which they are applied, then the seed. */
export async function readSqlFiles(root: string): Promise<SqlFile[]> {
  const folder = 'supabase/migrations'
  const migrations = (await readdir(path.join(root, folder)))
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => `${folder}/${name}`)
  return Promise.all(
    [...migrations, 'supabase/seed.sql'].map(async (name) => ({
      name,
      text: await readFile(path.join(root, name), 'utf8'),
    })),
  )
}

/** @returns each line that is too long */
export function findLongLines(files: readonly SqlFile[]): string[] {
  return files.flatMap(({ name, text }) =>
    text.split('\n').flatMap((line, index) => {
      const width = [...line].length
      return width > longestLine ? [`${name}:${index + 1} has ${width} columns`] : []
    }),
  )
}

const schemas = 'public|client_mgmt|conversation|private'
const creation = new RegExp(
  `\\bcreate (?:or replace )?(?:function|procedure|table|view|type|domain|sequence) ((?:${schemas})\\.\\w+)`,
  'g',
)
const mention = new RegExp(`\\b(?:${schemas})\\.\\w+`, 'g')

/**
 * Finds names that stand in a file before the file that makes them: in the body of a function, in a
 * policy, in a trigger. Comments and quoted text do not count.
 *
 * @returns one line per file and name that runs forward and is no exception, and one per exception
 *   that no longer occurs; empty when references run backward only
 */
export function findForwardReferences(
  files: readonly SqlFile[],
  exceptions: Readonly<Record<string, readonly string[]>> = forwardReferences,
): string[] {
  const texts = files.map(({ name, text }) => ({ name, text: withoutWords(text) }))
  const makers = new Map<string, number>()
  texts.forEach(({ text }, index) => {
    for (const [, made = ''] of text.matchAll(creation)) {
      if (!makers.has(made)) makers.set(made, index)
    }
  })
  const problems: string[] = []
  texts.forEach(({ name, text }, index) => {
    const found = new Map<string, number>()
    for (const { 0: named, index: at } of text.matchAll(mention)) {
      if ((makers.get(named) ?? 0) > index && !found.has(named)) found.set(named, at)
    }
    const excepted = exceptions[path.basename(name)] ?? []
    for (const [named, at] of found) {
      if (excepted.includes(named)) continue
      const maker = path.basename(texts[makers.get(named) ?? 0]?.name ?? '')
      problems.push(`${name}:${lineOf(text, at)} names ${named}, which ${maker} makes later`)
    }
    for (const named of excepted.filter((one) => !found.has(one))) {
      problems.push(`${name} no longer runs forward to ${named}: take it off the list`)
    }
  })
  return problems
}

/** The same text with blanks for comments and quoted text, line for line. */
function withoutWords(text: string): string {
  const words = /--[^\n]*|\/\*[^]*?\*\/|'(?:[^']|'')*'/g
  return text.replace(words, (word) => word.replace(/[^\n]/g, ' '))
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}
