import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { StartError } from '../process/start-error.ts'

/** The Deno program that the npm package `deno` brings. */
export function findDeno(): string {
  const require = createRequire(import.meta.url)
  const program = process.platform === 'win32' ? 'deno.exe' : 'deno'
  const folder = dirname(require.resolve('deno/package.json'))
  const installed = join(folder, program)
  if (existsSync(installed)) return installed
  // Its install script has not run (npm's allowScripts): take it from the platform's own package.
  const suffix = process.platform === 'linux' ? '-glibc' : ''
  try {
    const name = `@deno/${process.platform}-${process.arch}${suffix}/package.json`
    return join(dirname(createRequire(join(folder, 'package.json')).resolve(name)), program)
  } catch {
    throw new StartError('Deno is not installed. Run "npm ci" with optional dependencies.')
  }
}
