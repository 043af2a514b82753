import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll } from 'vitest'

const folder = fileURLToPath(new URL('../../clients/newest/', import.meta.url))
const run = promisify(execFile)

/** Runs a script of tests/clients/newest. @returns what its one line of JSON says */
export type RunNewest = (
  script: string,
  variables: Readonly<Record<string, string>>,
) => Promise<Record<string, unknown>>

/**
 * Clients that need a newer Node than the project, under such a Node. Both have a package.json of
 * their own: in the project's, the Node would take the place of the one that runs the tests. The
 * first use installs them from their lockfile, as `npm ci --prefix tests/clients/newest` does.
 */
export function useNewestClients(): RunNewest {
  beforeAll(async () => {
    if (existsSync(`${folder}node_modules/.package-lock.json`)) return
    await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder })
  }, 300_000)
  return async (script, variables) => {
    const env = { PATH: process.env.PATH, ...variables }
    const { stdout } = await run(newestNode(), [script], { cwd: folder, env })
    return JSON.parse(stdout) as Record<string, unknown>
  }
}

/** From npm on Linux; elsewhere the Node that runs this, if it is new enough. */
function newestNode(): string {
  const packaged = `${folder}node_modules/node-${process.platform}-${process.arch}/bin/node`
  if (existsSync(packaged)) return packaged
  if (Number.parseInt(process.versions.node) >= 24) return process.execPath
  throw new Error(`npm has no Node 24 for ${process.platform}: run the tests with Node 24`)
}
