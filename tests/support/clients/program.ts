import path from 'node:path'
import { build } from 'esbuild'
import { root } from '../../../dev/check/command.ts'

/** What an application does with the package: `askAgents` and `chat`. */
export const programFile = path.join(root, 'tests/support/clients/program.js')

/**
 * The program and the package as one script, which sets the global `program`.
 * @param built where the package was built
 * @param target the oldest engine that has to run it, as esbuild names it
 */
export async function bundleProgram(built: string, target: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [programFile],
    alias: { 'colloquy/client': path.join(built, 'client/index.js') },
    bundle: true,
    format: 'iife',
    globalName: 'program',
    platform: 'browser',
    target,
    write: false,
  })
  return outputFiles[0]?.text ?? ''
}
