import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new directory for a stack's state, open to the user PostgreSQL runs as when we are root. */
export function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'colloquy-'))
  chmodSync(directory, 0o755)
  return directory
}
