/**
 * The layers of a folder, uppermost first. An import goes down, or stays in its room; rooms of one
 * layer do not import each other. A room is a folder, or a file without its ending; of nested rooms
 * the longest name counts. A new room is given its place here.
 */
export type Layers = readonly (readonly string[])[]

/** Of `supabase/functions/_shared`. Above them stand a function's own `app.ts` and `index.ts`. */
export const sharedLayers: Layers = [
  ['search'],
  ['lenses', 'openai', 'schedules'],
  ['executions'],
  ['executions/stream'],
  ['executions/outcome'],
  ['executions/execution'],
  ['tools'],
  ['files', 'oauth', 'provider-keys'],
  ['models'],
  ['http'],
  ['auth', 'database', 'json-schema', 'outbound'],
  ['crypto', 'database.types', 'env', 'load-once', 'log', 'objects', 'storable', 'time'],
  ['cut-end', 'errors', 'json'],
]

export const devLayers: Layers = [
  ['check', 'demo', 'reset', 'start'],
  ['stack'],
  ['api', 'functions', 'web'],
  ['postgres'],
  ['process'],
]

export interface Room {
  readonly name: string
  /** Counted from the top. */
  readonly layer: number
}

/** The room of a file, by its path below the folder; null when it has none. */
export function roomOf(layers: Layers, file: string): Room | null {
  const isIn = (name: string) => file === `${name}.ts` || file.startsWith(`${name}/`)
  const rooms = layers.flatMap((names, layer) =>
    names.filter(isIn).map((name): Room => ({ name, layer })),
  )
  return rooms.sort((a, b) => b.name.length - a.name.length)[0] ?? null
}

/** Why one room does not import another; null when it may. */
export function roomProblem(from: Room, to: Room): string | null {
  if (to.layer < from.layer) return `${from.name} imports upwards, from ${to.name}`
  if (to.layer > from.layer || to.name === from.name) return null
  return `${from.name} and ${to.name} stand side by side, so neither imports the other`
}
