import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import ts from 'typescript'

/** One module reference in a file: static, re-exported, dynamic or in a type. */
export interface ModuleReference {
  specifier: string
  /** Counted from 1. */
  line: number
  typeOnly: boolean
}

/**
 * Every module a TypeScript file refers to, read from its syntax tree.
 * A dynamic import of anything but a string has the specifier `''`: it cannot be checked.
 */
export function readModuleReferences(fileName: string, text: string): ModuleReference[] {
  const source = ts.createSourceFile(fileName, text, ts.ScriptTarget.Latest, true)
  const references: ModuleReference[] = []
  const add = (node: ts.Node | undefined, typeOnly: boolean): void => {
    if (node === undefined) return
    const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1
    references.push({ specifier: ts.isStringLiteralLike(node) ? node.text : '', line, typeOnly })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(node.moduleSpecifier, importsOnlyTypes(node.importClause))
    } else if (ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier, node.isTypeOnly)
    } else if (ts.isExternalModuleReference(node)) {
      add(node.expression, false)
    } else if (ts.isImportTypeNode(node)) {
      add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : node.argument, true)
    } else if (ts.isCallExpression(node) && loadsModule(node)) {
      add(node.arguments[0], false)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return references
}

function importsOnlyTypes(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  const bindings = clause.namedBindings
  return (
    clause.name === undefined &&
    bindings !== undefined &&
    ts.isNamedImports(bindings) &&
    bindings.elements.length > 0 &&
    bindings.elements.every((element) => element.isTypeOnly)
  )
}

function loadsModule(call: ts.CallExpression): boolean {
  const callee = call.expression
  return (
    callee.kind === ts.SyntaxKind.ImportKeyword ||
    (ts.isIdentifier(callee) && callee.text === 'require')
  )
}

/** The paths of all TypeScript files below a folder, `/`-separated and relative to `root`. */
export async function listTypeScript(root: string, folder: string): Promise<string[]> {
  const entries = await readdir(path.join(root, folder), { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .map((file) => file.split(path.sep).join('/'))
    .filter((file) => !file.includes('node_modules/'))
    .sort()
}

/** The file a relative specifier names, or null for a package. */
export function resolveReference(from: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null
  return path.posix.join(path.posix.dirname(from), specifier)
}

export async function readReferences(root: string, file: string): Promise<ModuleReference[]> {
  return readModuleReferences(file, await readFile(path.join(root, file), 'utf8'))
}
