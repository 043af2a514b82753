import { rmSync } from 'node:fs'
import { chmod, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

export interface ScratchDirectory {
  path: string
  remove: () => void
}

/** A new folder that goes with `remove`, or at the latest with this process. */
export async function makeScratchDirectory(): Promise<ScratchDirectory> {
  const directory = await mkdtemp(path.join(tmpdir(), 'colloquy-check-'))
  // Started by root, PostgreSQL runs as another user, which needs to enter the folder; each file
  // has its own mode.
  await chmod(directory, 0o755)
  const remove = (): void => {
    process.off('exit', remove)
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  }
  process.once('exit', remove)
  return { path: directory, remove }
}
