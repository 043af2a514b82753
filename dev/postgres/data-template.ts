import { createHash, randomUUID } from 'node:crypto'
import {
  accessSync,
  chownSync,
  constants,
  cpSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PostgresUser } from './postgres-user.ts'

const folder = fileURLToPath(new URL('../../node_modules/.cache/postgres', import.meta.url))

/**
 * Where a data directory is kept for copies of it: initdb takes longer than everything else that
 * starts a server. `npm ci` deletes it.
 *
 * @param version of PostgreSQL
 * @param layout the options of initdb that shape the data
 */
export function templatePath(version: string, layout: readonly string[]): string {
  const digest = createHash('sha256').update(layout.join('\n')).digest('hex').slice(0, 12)
  return join(folder, `${version}-${digest}`)
}

/** Whether there is one that this process may read: another user's has the mode 0700. */
export function hasTemplate(template: string): boolean {
  try {
    accessSync(join(template, 'PG_VERSION'), constants.R_OK)
    return true
  } catch {
    return false
  }
}

/**
 * Keeps a copy of a new data directory, on which no server has run. Without a copy the next start is
 * only slower, so a folder that cannot be written, or a faster start, is no failure.
 */
export function keepTemplate(data: string, template: string): void {
  // Under another name until it is whole, and beside those that other processes make.
  const draft = `${template}.${randomUUID()}`
  try {
    mkdirSync(dirname(template), { recursive: true })
    cpSync(data, draft, { recursive: true })
    renameSync(draft, template)
  } catch {
    removeDraft(draft)
  }
}

/** Leaves it where this process cannot remove it either. */
function removeDraft(draft: string): void {
  try {
    rmSync(draft, { recursive: true, force: true })
  } catch {
    // The folder of drafts is a file, or cannot be written.
  }
}

/** Copies the template into an empty directory, for the user that PostgreSQL runs as. */
export function copyTemplate(template: string, data: string, user: PostgresUser | undefined): void {
  cpSync(template, data, { recursive: true })
  if (user === undefined) return
  for (const name of ['', ...readdirSync(data, { recursive: true })]) {
    chownSync(join(data, String(name)), user.uid, user.gid)
  }
}
