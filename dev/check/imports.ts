import { existsSync } from 'node:fs'
import path from 'node:path'
import { devLayers, type Room, roomOf, roomProblem, sharedLayers } from './layers.ts'
import {
  listTypeScript,
  type ModuleReference,
  readReferences,
  resolveReference,
} from './module-references.ts'

const functionsFolder = 'supabase/functions'

/** Packages that open connections; one file builds clients so that keys have one place. */
const clientPackages = new Set(['@supabase/supabase-js', '@supabase/postgrest-js', 'postgres'])
const clientFile = `${functionsFolder}/_shared/database.ts`

/** What the other folders may import, besides packages. */
const folderRules: Record<string, string[]> = {
  'supabase/functions': ['supabase/functions'],
  dev: ['dev', 'supabase/functions'],
  ops: ['ops', 'dev', 'supabase/functions'],
  client: ['client', 'supabase/functions/_shared/database.types.ts'],
  tests: ['tests', 'client', 'dev', 'ops', 'bench', 'examples', 'supabase/functions'],
  bench: ['bench', 'dev', 'supabase/functions'],
  examples: ['examples', 'client'],
  web: ['web', 'client'],
}

interface Place {
  /** The function's name; null in `_shared`. */
  owner: string | null
  /** Null when the file has no place in the layers. */
  room: Room | null
}

function placeOf(file: string): Place {
  const below = file.slice(functionsFolder.length + 1)
  const [owner = '', ...rest] = below.split('/')
  if (owner !== '_shared') {
    const isIndex = rest.join('/') === 'index.ts'
    return { owner, room: { name: isIndex ? 'index' : 'app', layer: isIndex ? -2 : -1 } }
  }
  return { owner: null, room: roomOf(sharedLayers, rest.join('/')) }
}

function layerProblem(from: string, to: string): string | null {
  const source = placeOf(from)
  const target = placeOf(to)
  if (source.room === null || target.room === null) return null // Reported once, for the file.
  if (target.owner !== null && target.owner !== source.owner) {
    return source.owner === null
      ? `shared code imports the function ${target.owner}`
      : `the function ${source.owner} imports the function ${target.owner}`
  }
  return roomProblem(source.room, target.room)
}

/** The rooms of dev, in which a file without a place is an offence too. */
function devProblem(from: string, to: string): string | null {
  const [source, target] = [from, to].map((file) => roomOf(devLayers, file.slice('dev/'.length)))
  if (!source || !target) return 'the rooms of dev are listed in dev/check/layers.ts'
  return roomProblem(source, target)
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
  if (bothFunctions) return layerProblem(from, to)
  return [from, to].every((file) => isWithin(file, 'dev')) ? devProblem(from, to) : null
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
        if (placeOf(file).room === null) {
          problems.push(`${file}:1 has no layer: give it one in dev/check/layers.ts`)
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
