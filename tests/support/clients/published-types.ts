import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import ts from 'typescript'

/** The interfaces that a declaration file of OpenAI's SDK publishes, by their qualified names. */
export type PublishedTypes = ReadonlyMap<string, PublishedType>

export interface PublishedType {
  readonly keys: readonly string[]
  /** Names of the types that its keys, or the type itself, refer to. */
  readonly mentions: readonly string[]
}

/** Reads the declarations of `openai/<file>.d.ts`, with those in its namespaces. */
export function readPublishedTypes(file: string): PublishedTypes {
  const entry = createRequire(import.meta.url).resolve('openai')
  const text = readFileSync(path.join(path.dirname(entry), `${file}.d.ts`), 'utf8')
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const found = new Map<string, PublishedType>()
  collect(source, '', found)
  return found
}

/** The names of a type and of all that it is made of. */
export function reachable(types: PublishedTypes, from: readonly string[]): string[] {
  const seen = new Set<string>()
  const visit = (name: string) => {
    const type = types.get(name)
    if (!type || seen.has(name)) return
    seen.add(name)
    for (const mentioned of type.mentions) visit(mentioned)
  }
  from.forEach(visit)
  return [...seen]
}

function collect(node: ts.Node, prefix: string, found: Map<string, PublishedType>): void {
  ts.forEachChild(node, (child) => {
    if (ts.isInterfaceDeclaration(child) || ts.isTypeAliasDeclaration(child)) {
      const keys = ts.isInterfaceDeclaration(child) ? child.members.flatMap(keyOf) : []
      found.set(prefix + child.name.text, { keys, mentions: mentionsIn(child) })
    } else if (ts.isModuleDeclaration(child) && child.body) {
      collect(child.body, `${prefix}${child.name.text}.`, found)
    }
  })
}

function keyOf({ name }: ts.TypeElement): string[] {
  return name && (ts.isIdentifier(name) || ts.isStringLiteral(name)) ? [name.text] : []
}

function mentionsIn(node: ts.Node): string[] {
  const names: string[] = []
  const visit = (child: ts.Node) => {
    if (ts.isTypeReferenceNode(child)) names.push(child.typeName.getText())
    if (ts.isExpressionWithTypeArguments(child)) names.push(child.expression.getText())
    ts.forEachChild(child, visit)
  }
  visit(node)
  return names
}
