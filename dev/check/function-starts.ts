import { build, type Metafile } from 'esbuild'
import path from 'node:path'

/** Bytes of a function as minified code, and the packages of its start. */
export interface StartBound {
  /** What it loads before its first request. */
  readonly start: number
  /** One entry with everything. The platform bundles at most 5 MB itself. */
  readonly whole: number
  readonly packages: readonly string[]
}

const packages = ['@supabase/postgrest-js', 'hono']

export const startBounds: Readonly<Record<string, StartBound>> = {
  agents: { start: 150_000, whole: 1_100_000, packages },
  oauth: { start: 110_000, whole: 900_000, packages },
  'session-cleanup': { start: 80_000, whole: 850_000, packages },
}

/**
 * Bundles each function and compares what it loads at its start, and as a whole, with the bounds. A
 * package that routes need belongs behind an `import()`.
 * @returns one line per offence, with the main contributors
 */
export async function findStartProblems(root: string, bounds = startBounds): Promise<string[]> {
  const problems = await Promise.all(
    Object.entries(bounds).map(async ([name, bound]) => {
      const { start, whole } = await measure(entryOf(root, name))
      const foreign = [...start.keys()].filter((from) => from !== 'own code')
      const strange = foreign.filter((from) => !bound.packages.includes(from))
      return [
        ...tooLarge(`${name} loads at its start`, start, bound.start),
        ...tooLarge(`${name} is`, whole, bound.whole),
        ...strange.map(
          (from) => `${name} loads ${from} at its start: import() it where it is used`,
        ),
      ]
    }),
  )
  return problems.flat()
}

type Contributors = ReadonlyMap<string, number>

function tooLarge(what: string, contributors: Contributors, bound: number): string[] {
  const bytes = [...contributors.values()].reduce((sum, each) => sum + each, 0)
  if (bytes <= bound) return []
  const largest = [...contributors].sort(([, a], [, b]) => b - a).slice(0, 3)
  const names = largest.map(([from, size]) => `${from} ${size}`).join(', ')
  return [`${what} ${bytes} bytes, more than ${bound}: ${names}`]
}

async function measure(entry: string): Promise<{ start: Contributors; whole: Contributors }> {
  const [split, one] = await Promise.all([bundle(entry, true), bundle(entry, false)])
  const { outputs } = split.metafile
  const first = Object.keys(outputs).find((file) => file.endsWith('index.js'))
  const start = new Set(first === undefined ? [] : [first])
  for (const file of start) {
    for (const { path: next, kind } of outputs[file]?.imports ?? []) {
      if (kind === 'import-statement' && next in outputs) start.add(next)
    }
  }
  const whole = one.metafile.outputs
  return {
    start: contributorsOf(outputs, [...start]),
    whole: contributorsOf(whole, Object.keys(whole)),
  }
}

/** A function with all its packages as one module of JavaScript. */
export async function bundleFunction(root: string, name: string): Promise<string> {
  const { outputFiles } = await bundle(entryOf(root, name), false)
  return outputFiles[0]?.text ?? ''
}

const entryOf = (root: string, name: string) =>
  path.join(root, 'supabase/functions', name, 'index.ts')

/** @param splitting in the parts that are loaded when they are needed; else in one */
const bundle = (entry: string, splitting: boolean) =>
  build({
    entryPoints: [entry],
    outdir: 'out',
    bundle: true,
    splitting,
    minify: true,
    format: 'esm',
    platform: 'node',
    metafile: true,
    write: false,
    logLevel: 'silent',
  })

function contributorsOf(outputs: Metafile['outputs'], files: readonly string[]): Contributors {
  const sizes = new Map<string, number>()
  for (const file of files) {
    for (const [input, { bytesInOutput }] of Object.entries(outputs[file]?.inputs ?? {})) {
      const from = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? 'own code'
      if (bytesInOutput > 0) sizes.set(from, (sizes.get(from) ?? 0) + bytesInOutput)
    }
  }
  return sizes
}
