import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sealedStore } from '../../../ops/sealed-store.ts'
import { readKeyset } from '../../../supabase/functions/_shared/crypto/keyset.ts'
import { rotate } from '../../../supabase/functions/_shared/crypto/rotate.ts'
import { startWorker } from '../../support/oauth/app.ts'
import { browse } from '../../support/oauth/browser.ts'
import { addConfiguration, beginConnection, connect, follow } from '../../support/oauth/connect.ts'
import { type Fixture, startServers } from '../../support/oauth/fixture.ts'
import { type OwnStack, startOwnStack } from '../../support/oauth/own-stack.ts'
import type { Organization, Person } from '../../support/people/people.ts'
import { newKey } from '../../unit/crypto/keys.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
let own: OwnStack
let sql: Sql
let servers: Fixture
let ann: Person & { organization: Organization }
const current = () => own.stack.functionEnv.TOKEN_ENCRYPTION_KEYS ?? ''
const startOwnWorker = (keys = current()) =>
  startWorker({ ...own.stack.functionEnv, TOKEN_ENCRYPTION_KEYS: keys })

// A stack of its own: a rotation takes all that is sealed, other tests' connections too.
beforeAll(async () => {
  ;[own, servers] = await Promise.all([startOwnStack(), startServers()])
  sql = postgres(own.stack.databaseUrl, { max: 2 })
  ann = await own.signUp()
}, 60_000)

afterAll(async () => {
  await sql.end()
  await own.close()
})

/** `npm run keys:rotate` with a keyset. */
async function run(
  keys: string,
  ...args: string[]
): Promise<{ code: number | null; text: string }> {
  const { url, secretKey } = own.stack
  const child = spawn(process.execPath, ['--import', 'tsx', 'ops/keys-rotate.ts', ...args], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      SUPABASE_URL: url,
      SUPABASE_SECRET_KEY: secretKey,
      TOKEN_ENCRYPTION_KEYS: keys,
    },
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, text }
}

const keyIds = async () => {
  const rows = await sql<{ key_id: string }[]>`select key_id from public.sealed_key_usage()`
  return rows.map((row) => row.key_id)
}

describe('keys:rotate', () => {
  it('seals all anew beside live traffic, forth and back, and says when a key may go', async () => {
    const before = await startOwnWorker()
    const configurationId = await addConfiguration(ann, servers.server.endpoint)
    await connect(before, ann, configurationId)
    const bearer = await addConfiguration(ann, servers.server.endpoint, { auth_type: 'bearer' })
    await before.call(ann, 'PUT', `/configurations/${bearer}/bearer-token`, { token: 'bearer' })
    // An authorization that has come back, and one that has not.
    const pending = await beginConnection(before, ann, configurationId)
    const page = await follow(before, await browse(pending.authorizationUrl.href))
    await beginConnection(before, ann, configurationId)

    const next = newKey('next')
    const both = `${next},${current()}`
    const [oldId = ''] = current().split(':')
    const refused = await run(both, '--retire', oldId)
    expect([refused.code, refused.text]).toEqual([
      1,
      expect.stringMatching(/is in use: \d+ values/),
    ])

    const worker = await startOwnWorker(both)
    const key = { organizationId: ann.organization.id, userId: ann.id, configurationId }
    const [rotated, refreshed] = await Promise.all([run(both), worker.credentials.refresh(key)])
    expect(rotated.text).toMatch(/sealed anew/)
    expect(refreshed.generation).toBe(2)
    const again = await run(both)
    expect([again.code, again.text]).toEqual([
      0,
      expect.stringContaining('Only key next is in use'),
    ])
    expect(await keyIds()).toEqual(['next'])
    expect(await run(both, '--retire', oldId)).toMatchObject({ code: 0 })
    expect(await run(both, '--retire', 'next')).toMatchObject({ code: 1 })

    // Everything opens with the new key alone.
    const alone = await startOwnWorker(next)
    expect((await alone.credentials.get(key)).token).toBe(refreshed.token)
    expect((await alone.credentials.get({ ...key, configurationId: bearer })).token).toBe('bearer')
    expect((await alone.credentials.refresh(key)).generation).toBe(3)
    const connection = page.searchParams.get('connection')
    const finished = await alone.call(ann, 'POST', '/connections/finish', { connection })
    expect(finished.status).toBe(201)

    const back = await run(`${current()},${next}`)
    expect(back.code).toBe(0)
    expect(await keyIds()).toEqual([oldId])
    for (const { text } of [refused, rotated, again, back]) {
      expect(text).not.toContain(next.split(':')[1])
      expect(text).not.toMatch(/v1\.\w+\./)
    }
  }, 60_000)

  it('without a key that is in use does nothing and names it', async () => {
    const worker = await startOwnWorker()
    await connect(worker, ann, await addConfiguration(ann, servers.server.endpoint))
    const [oldId = ''] = current().split(':')
    // A row that was written past the checks, as a restored dump could have it.
    const bidi = '\u202e'
    const issuer = `https://a\u001b[2J${bidi}`
    await sql`
      with client as (
        insert into client_mgmt.oauth_clients (organization_id, issuer, source, client_id)
        values (${ann.organization.id}, ${issuer}, 'preregistered', 'gone') returning organization_id, id
      )
      insert into private.oauth_client_secrets select organization_id, id, 'v1.gone.n.c' from client`
    const { code, text } = await run(newKey('other'))
    await sql`delete from client_mgmt.oauth_clients where issuer = ${issuer}`
    expect(code).toBe(1)
    expect(text).toMatch(new RegExp(`does not have: (gone, ${oldId}|${oldId}, gone)\\.`))
    expect(text).toContain(
      `private.oauth_client_secrets.client_secret, organization ${ann.organization.id}, ` +
        'row preregistered https://a?[2J?',
    )
    expect(text).toMatch(/public\.mcp_oauth_tokens\.access_token, organization \d+, row /)
    expect(text).not.toMatch(/[^\x20-\x7e\n]/)
    expect(await keyIds()).toEqual([oldId])
  })

  it('without a keyset or an address says what is missing', async () => {
    expect(await run('')).toMatchObject({
      code: 1,
      text: expect.stringContaining('TOKEN_ENCRYPTION_KEYS is not set') as string,
    })
    expect(await run(newKey('a').slice(0, 20))).toMatchObject({ code: 1 })
  })

  it('leaves a value that a refresh has replaced in the meantime', async () => {
    const worker = await startOwnWorker()
    const configurationId = await addConfiguration(ann, servers.server.endpoint)
    await connect(worker, ann, configurationId)
    const key = { organizationId: ann.organization.id, userId: ann.id, configurationId }
    const store = sealedStore(worker.deps.database.admin)
    const keyset = await readKeyset(`${newKey('next')},${current()}`)
    let generation = 1
    const report = await rotate(
      keyset,
      {
        list: async (primary, after, batch) => {
          const all = await store.list(primary, after, batch)
          return all.filter(({ place }) => place.row.endsWith(`/${configurationId}`))
        },
        replace: async (place, old, value) => {
          // Each time after the value was read, a refresh stores another one.
          ;({ generation } = await worker.credentials.refresh(key))
          return store.replace(place, old, value)
        },
      },
      { batch: 1_000, onProgress: () => undefined },
    )
    expect(report).toEqual({ sealed: 0, changed: 2, failed: [] })
    expect(generation).toBe(3)
    expect((await worker.credentials.get(key)).generation).toBe(3)
  })

  it('knows every sealed column there is', async () => {
    const checked = await sql<{ column: string }[]>`
      select n.nspname || '.' || c.relname || '.' || a.attname as column
      from pg_constraint k
      join pg_class c on c.oid = k.conrelid
      join pg_namespace n on n.oid = c.relnamespace
      join pg_attribute a on a.attrelid = c.oid and a.attnum = any (k.conkey)
      where k.contype = 'c' and pg_get_constraintdef(k.oid) like '%^v1%'
      order by 1`
    const [view] = await sql<[{ definition: string }]>`
      select pg_get_viewdef('private.sealed_values'::regclass) as definition`
    const [replace] = await sql<[{ definition: string }]>`
      select prosrc as definition from pg_proc where proname = 'reseal_value'`
    expect(checked.length).toBeGreaterThanOrEqual(6)
    for (const { column } of checked) {
      const [schema = '', table = '', name = ''] = column.split('.')
      if (column.startsWith('private.mcp_revocations.')) {
        // It keeps the seals of other tables.
        expect(replace.definition).toContain(`update ${schema}.${table} r set ${name} = new_value`)
        expect(view.definition).toContain(`FROM ${schema}.${table} r`)
        expect(view.definition).toContain(`r.${name}`)
        continue
      }
      expect(replace.definition).toContain(`'${column}'`)
      expect(view.definition).toContain(`'${schema}.${table}'`)
      expect(view.definition).toContain(`'${name}'`)
    }
  })
})
