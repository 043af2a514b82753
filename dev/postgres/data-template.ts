import { createHash, randomUUID } from 'node:crypto'
import { chownSync, cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
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

/** Whether there is one that this process may read. */
export function hasTemplate(template: string): boolean {
  return existsSync(join(template, 'PG_VERSION'))
}

/** Keeps a copy of a new data directory, on which no server has run. */
export function keepTemplate(data: string, template: string): void {
  mkdirSync(dirname(template), { recursive: true })
  // Under another name until it is whole, and beside those that other processes make.
  const draft = `${template}.${randomUUID()}`
  cpSync(data, draft, { recursive: true })
  try {
    renameSync(draft, template)
  } catch (error) {
    rmSync(draft, { recursive: true })
    // Another start was faster; its copy is the same.
    if (!hasTemplate(template)) throw error
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
