import newest from '../newest/package.json' with { type: 'json' }
import type { ClientRow } from './driver.ts'
import { drivers } from './drivers.ts'

/** Their driver is newest/mastra.js: the project's own Node cannot load it. */
export const mastraRows: readonly ClientRow[] = [
  { name: '`@mastra/core`', package: '@mastra/core', endpoint: 'chat/completions' },
  { name: "`@mastra/core`, `api: 'responses'`", package: '@mastra/core', endpoint: 'responses' },
]

/** The clients of newest/: those of the project in a newer version, and Mastra. */
export const newestClients: readonly ClientRow[] = [
  ...drivers.filter((driver) => driver.package in newest.dependencies),
  ...mastraRows,
]
