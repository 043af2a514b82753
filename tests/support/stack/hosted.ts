import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Sql } from 'postgres'
import { afterAll, beforeAll } from 'vitest'
import { content } from '../../../dev/check/scratch-database.ts'
import { connect, type Login } from '../../../dev/postgres/database.ts'
import { applyMigrations } from '../../../dev/postgres/migrations.ts'
import { type EmbeddedPostgres, startPostgres } from '../../../dev/postgres/postgres.ts'
import { loadSecrets, type Secrets } from '../../../dev/postgres/secrets.ts'
import { applySeed } from '../../../dev/postgres/seed.ts'
import { makeDirectory } from './directory.ts'

/** A database as the hosted platform makes it, and the roles that log in to it. */
export interface Hosted {
  /** Deploys: no superuser. */
  readonly postgres: Sql
  /** Auth: each of its statements ends after 2 s. */
  readonly auth: Sql
  /** PostgREST. */
  readonly rest: Sql
  readonly superuser: Sql
  readonly ownerUrl: string
}

const sqlOf = (name: string) => readFileSync(fileURLToPath(new URL(name, import.meta.url)), 'utf8')

/** A server of the file's own, for roles are the server's, with a database per project. */
export function hostedServer(): (name: string, setUp?: string) => Promise<Hosted> {
  let server: EmbeddedPostgres | undefined
  let passwords: Secrets['passwords'] | undefined
  const open: Sql[] = []
  let directory: string | undefined
  // Beside the other hook and not in it: a hook that a hook registers is not run.
  afterAll(async () => {
    await Promise.all(open.map((sql) => sql.end({ timeout: 5 })))
    await server?.close()
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
  })
  beforeAll(async () => {
    directory = makeDirectory()
    ;({ passwords } = await loadSecrets(directory))
    const log = () => undefined
    server = await startPostgres({
      directory,
      passwords,
      durable: false,
      preferredPort: undefined,
      log,
    })
    const superuser = connect(server.url('supabase_admin'))
    try {
      await superuser.unsafe(sqlOf('./hosted.sql'))
      await superuser.begin((tx) => tx.unsafe(sqlOf('../../../dev/postgres/realtime.sql')))
      for (const role of ['postgres', 'authenticator', 'supabase_auth_admin'] as const) {
        await superuser.unsafe(`alter role ${role} password '${passwords[role]}'`)
      }
    } finally {
      await superuser.end()
    }
  })
  return async (name, setUp = '') => {
    if (server === undefined) throw new Error('the server has not started')
    const { url } = server
    const template = connect(url('supabase_admin').replace(/postgres$/, 'template1'))
    try {
      await template`create database ${template(name)} template postgres`
    } finally {
      await template.end()
    }
    const at = (role: keyof Secrets['passwords'], options: Login['options'] = {}) => {
      const login = {
        url: Object.assign(new URL(url(role)), { pathname: `/${name}` }).href,
        options,
      }
      const sql = connect(login, 3)
      open.push(sql)
      return sql
    }
    const superuser = at('supabase_admin')
    await superuser.unsafe(`grant all on database "${name}" to postgres, dashboard_user; ${setUp}`)
    return {
      superuser,
      postgres: at('postgres'),
      auth: at('supabase_auth_admin', { connection: { statement_timeout: 2_000 } }),
      rest: at('authenticator'),
      ownerUrl: Object.assign(new URL(url('postgres')), { pathname: `/${name}` }).href,
    }
  }
}

export const olderDefaults = sqlOf('./hosted-older-defaults.sql')

/** Applies migrations and seed as the role that deploys. */
export async function deploy({ postgres }: Hosted): Promise<void> {
  await applyMigrations(postgres, content.migrationsDirectory)
  await applySeed(postgres, content.seedFile)
}
