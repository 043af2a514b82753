import { readFile } from 'node:fs/promises'
import path from 'node:path'
import ts from 'typescript'
import { listTypeScript } from './module-references.ts'

const environmentFile = 'supabase/functions/_shared/env.ts'
const exampleFile = '.env.example'
const variableName = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$|^PORT$/

/** The names of environment variables that a file mentions in code: as a string or as a property. */
export function readVariableNames(fileName: string, text: string): Set<string> {
  const source = ts.createSourceFile(fileName, text, ts.ScriptTarget.Latest, true)
  const names = new Set<string>()
  const visit = (node: ts.Node): void => {
    const isName = ts.isStringLiteralLike(node) || ts.isIdentifier(node)
    if (isName && variableName.test(node.text)) names.add(node.text)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return names
}

/**
 * Checks that .env.example mentions every variable the functions read, and that every variable it
 * assigns, also in a comment, is read by the functions or the local stack.
 *
 * @returns one line per offence; empty when there is none
 */
export async function findVariableProblems(root: string): Promise<string[]> {
  const readText = (file: string): Promise<string> => readFile(path.join(root, file), 'utf8')
  const example = await readText(exampleFile)
  const read = readVariableNames(environmentFile, await readText(environmentFile))
  const used = new Set(read)
  for (const file of await listTypeScript(root, 'dev')) {
    if (file.startsWith('dev/check/')) continue
    for (const name of readVariableNames(file, await readText(file))) used.add(name)
  }
  const mentioned = new Set(example.match(/\b[A-Z][A-Z0-9_]+\b/g) ?? [])
  const assigned = [...example.matchAll(/^(?:# *)?([A-Z][A-Z0-9_]+)=/gm)].map(([, name]) => name)
  return [
    ...[...read]
      .filter((name) => !mentioned.has(name))
      .map((name) => `${exampleFile} does not explain ${name}, which ${environmentFile} reads`),
    ...assigned
      .filter((name) => name !== undefined && !used.has(name))
      .map((name) => `${exampleFile} explains ${name}, which nothing reads`),
  ]
}
