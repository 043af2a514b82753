import { existsSync } from 'node:fs'
import path from 'node:path'
import {
  listTypeScript,
  type ModuleReference,
  readReferences,
  resolveReference,
} from './module-references.ts'

const functionsFolder = 'supabase/functions'

/**
 * The layers of the functions, uppermost first; an import goes down or stays in its layer.
 * A name is a file or folder of `_shared`. A new one must be given its place here.
 */
export const sharedLayers: readonly (readonly string[])[] = [
  ['auth', 'database', 'executions', 'oauth', 'openai', 'tools'],
  ['models', 'crypto', 'http', 'json-schema', 'env'],
  ['errors', 'database.types'],
]
const layerNames = ['index', 'app', ...sharedLayers.map((names) => names.join(', '))]

/** Packages that open connections; one file builds clients so that keys have one place. */
const clientPackages = new Set(['@supabase/supabase-js', '@supabase/postgrest-js', 'postgres'])
const clientFile = `${functionsFolder}/_shared/database.ts`

/** What the other folders may import, besides packages. */
const folderRules: Record<string, string[]> = {
  'supabase/functions': ['supabase/functions'],
  dev: ['dev', 'supabase/functions'],
  tests: ['tests', 'dev', 'bench', 'examples', 'supabase/functions'],
  bench: ['bench', 'dev', 'supabase/functions'],
  examples: ['examples', 'supabase/functions/_shared/database.types.ts'],
}

interface Place {
  /** The function's name; null in `_shared`. */
  owner: string | null
  /** Index into `layerNames`; null when the file has no place in the layers. */
  layer: number | null
}

function placeOf(file: string): Place {
  const [first = '', second = '', ...rest] = file.slice(functionsFolder.length + 1).split('/')
  if (first !== '_shared') {
    return { owner: first, layer: second === 'index.ts' && rest.length === 0 ? 0 : 1 }
  }
  const name = rest.length > 0 ? second : second.replace(/\.ts$/, '')
  const found = sharedLayers.findIndex((names) => names.includes(name))
  return { owner: null, layer: found === -1 ? null : found + 2 }
}

function layerProblem(from: string, to: string): string | null {
  const source = placeOf(from)
  const target = placeOf(to)
  if (source.layer === null || target.layer === null) return null // Reported once, for the file.
  if (target.owner !== null && target.owner !== source.owner) {
    return source.owner === null
      ? `shared code imports the function ${target.owner}`
      : `the function ${source.owner} imports the function ${target.owner}`
  }
  if (target.layer < source.layer) {
    return `${layerNames[source.layer] ?? ''} imports upwards, from ${layerNames[target.layer] ?? ''}`
  }
  return null
}

function packageProblem(from: string, reference: ModuleReference): string | null {
  if (!from.startsWith(`${functionsFolder}/`)) return null
  if (/^(https?|npm|jsr):/.test(reference.specifier)) {
    return `${reference.specifier} is not a bare specifier mapped in deno.json`
  }
  if (clientPackages.has(reference.specifier) && !reference.typeOnly && from !== clientFile) {
    return `only ${clientFile} builds clients, so only it imports ${reference.specifier}`
  }
  return null
}

function referenceProblem(root: string, from: string, reference: ModuleReference): string | null {
  if (reference.specifier === '') {
    return isWithin(from, functionsFolder) ? 'an import without a literal cannot be checked' : null
  }
  const to = resolveReference(from, reference.specifier)
  if (to === null) return packageProblem(from, reference)
  if (!existsSync(path.join(root, to))) return `${reference.specifier} is not a file`
  const folder = Object.keys(folderRules).find((name) => from.startsWith(`${name}/`))
  const allowed = folder === undefined ? [] : (folderRules[folder] ?? [])
  if (folder !== 'tests' && /\.ts$/.test(to) && !allowed.some((name) => isWithin(to, name))) {
    return `${folder ?? from} does not import ${to}`
  }
  const bothFunctions = [from, to].every((file) => isWithin(file, functionsFolder))
  return bothFunctions ? layerProblem(from, to) : null
}

function isWithin(file: string, folder: string): boolean {
  return file === folder || file.startsWith(`${folder}/`)
}

/** The first cycle of imports that run (types are erased) among files, as a path, or null. */
function findCycle(graph: Map<string, string[]>): string[] | null {
  const done = new Set<string>()
  const visit = (file: string, trail: string[]): string[] | null => {
    const start = trail.indexOf(file)
    if (start !== -1) return [...trail.slice(start), file]
    if (done.has(file)) return null
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next, [...trail, file])
      if (cycle !== null) return cycle
    }
    done.add(file)
    return null
  }
  for (const file of graph.keys()) {
    const cycle = visit(file, [])
    if (cycle !== null) return cycle
  }
  return null
}

/**
 * Checks that imports go one way: index → app → the layers of _shared, that functions and folders
 * keep apart, that only database.ts builds clients and that no two files of the functions import
 * each other.
 *
 * @returns one line per offence, `<file>:<line> <reason>`; empty when there is none
 */
export async function findImportProblems(root: string): Promise<string[]> {
  const problems: string[] = []
  const graph = new Map<string, string[]>()
  const folders = Object.keys(folderRules).filter((folder) => existsSync(path.join(root, folder)))
  for (const folder of folders) {
    for (const file of await listTypeScript(root, folder)) {
      const references = await readReferences(root, file)
      if (folder === functionsFolder) {
        if (placeOf(file).layer === null) {
          problems.push(`${file}:1 has no layer: give it one in dev/check/imports.ts`)
        }
        const running = references.filter((reference) => !reference.typeOnly)
        graph.set(
          file,
          running.flatMap(({ specifier }) => resolveReference(file, specifier) ?? []),
        )
      }
      for (const reference of references) {
        const reason = referenceProblem(root, file, reference)
        if (reason !== null) problems.push(`${file}:${reference.line} ${reason}`)
      }
    }
  }
  // An import upwards often closes a cycle too; one report of it is enough.
  const cycle = problems.length === 0 ? findCycle(graph) : null
  if (cycle !== null) problems.push(`${cycle[0] ?? ''}:1 imports itself: ${cycle.join(' → ')}`)
  return problems
}
