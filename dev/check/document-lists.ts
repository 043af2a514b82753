import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { sharedLayers } from './layers.ts'

/**
 * Checks the tables of documents that repeat what the code says: the commands of package.json, the
 * steps of the checks, the layers of the functions, the folders of the tree.
 *
 * @param steps the names of the steps of `npm run check`
 * @returns one line per table that says something else; empty when there is none
 */
export async function findListProblems(root: string, steps: readonly string[]): Promise<string[]> {
  const read = (file: string): Promise<string> => readFile(path.join(root, file), 'utf8')
  const [readme, contributing, architecture] = await Promise.all(
    ['README.md', 'CONTRIBUTING.md', 'docs/architecture.md'].map(read),
  )
  const { scripts } = JSON.parse(await read('package.json')) as { scripts: object }
  const commands = rowsOf(contributing, 'Command').flatMap(
    ([command = '']) => /^npm (?:run )?([\w:-]+)$/.exec(command)?.[1] ?? [],
  )
  const map = rowsOf(readme, 'Path')
  const functions = (await foldersOf(root, 'supabase/functions')).filter(
    (name) => name !== '_shared',
  )
  const kinds = (await foldersOf(root, 'tests')).filter((name) => name !== 'support')
  const tops = (await foldersOf(root, '.')).filter((name) => name !== 'node_modules')
  return [
    ...difference('CONTRIBUTING.md, commands', commands, Object.keys(scripts)),
    ...difference('CONTRIBUTING.md, steps', rowsOf(contributing, 'Step').map(first), steps),
    ...ordered(
      'docs/architecture.md, layers',
      rowsOf(architecture, 'Layer').map((names) => names.join(' ')),
      sharedLayers.map((names) => names.join(' ')),
    ),
    ...difference('README.md, folders', [...new Set(map.map(topFolder))], tops),
    ...difference('README.md, functions', namesIn(readme, 'supabase/functions/'), functions),
    ...difference('README.md, tests', namesIn(readme, 'tests/'), kinds),
  ]
}

/** The code in the first cell of each row of the table whose first heading is `heading`. */
function rowsOf(text: string | undefined, heading: string): string[][] {
  const table = new RegExp(`^\\| ${heading} .*\\n\\|[ -|]*\\n((?:\\|.*\\n)+)`, 'm').exec(text ?? '')
  const rows = table?.[1]?.trimEnd().split('\n') ?? []
  return rows.map((row) => codeIn(row.split(' | ')[0] ?? ''))
}

/** The plain names in code in the row of the README's map that begins with `folder`. */
function namesIn(readme: string | undefined, folder: string): string[] {
  const row = (readme ?? '').split('\n').find((line) => line.startsWith(`| \`${folder}\``)) ?? ''
  return codeIn(row).filter((name) => /^[\w-]+$/.test(name))
}

function codeIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)
}

function first([name = '']: string[]): string {
  return name
}

function topFolder([place = '']: string[]): string {
  return place.split('/')[0] ?? ''
}

async function foldersOf(root: string, folder: string): Promise<string[]> {
  const entries = await readdir(path.join(root, folder), { withFileTypes: true })
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
}

/** As difference(), where the order is part of what is said. */
function ordered(table: string, said: readonly string[], there: readonly string[]): string[] {
  const problems = difference(table, said, there)
  const same = said.join('\n') === there.join('\n')
  return problems.length > 0 || same ? problems : [`${table}: in another order`]
}

function difference(table: string, said: readonly string[], there: readonly string[]): string[] {
  return [
    ...there.filter((name) => !said.includes(name)).map((name) => `${table}: ${name} is missing`),
    ...said.filter((name) => !there.includes(name)).map((name) => `${table}: no ${name} exists`),
  ]
}
