import { readFile } from 'node:fs/promises'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type OAuthWorker, startWorker } from '../../support/oauth/app.ts'
import { browse } from '../../support/oauth/browser.ts'
import { addConfiguration, beginConnection, connect, follow } from '../../support/oauth/connect.ts'
import { type Fixture, startServers } from '../../support/oauth/fixture.ts'
import {
  accessToken,
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../../support/people/people.ts'
import { connectOwner } from '../../support/stack/database.ts'
import { useStack } from '../../support/stack/stack.ts'

const sql = connectOwner()
const superuser = postgres(useStack().superuserUrl ?? '', { max: 1, onnotice: () => undefined })
let worker: OAuthWorker
const slot = 'canary'
let servers: Fixture
let ann: Person & { organization: Organization }

beforeAll(async () => {
  ;[worker, servers, ann] = await Promise.all([
    startWorker(),
    startServers(),
    signUpWithOrganization('ann'),
  ])
  await superuser`create extension if not exists pg_stat_statements schema extensions`
  // Every statement with its parameters, so also what the database is told and does not keep.
  await logStatements('all')
  // A checkpoint recycles old files of the log. A slot keeps every file from now on.
  await superuser`select pg_create_physical_replication_slot(${slot}, true)`
})
afterAll(async () => {
  await superuser`select pg_drop_replication_slot(${slot})`
  await logStatements('none')
  await superuser.end()
})

async function logStatements(which: 'all' | 'none'): Promise<void> {
  await superuser.unsafe(`alter system set log_statement = '${which}'`)
  await superuser`select pg_reload_conf()`
}

/** Every row of every table of ours, as text, as a dump has it. */
async function dump(): Promise<string> {
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname in ('public', 'client_mgmt', 'conversation', 'private', 'auth')`
  const parts: string[] = []
  for (const { name } of tables) {
    const rows = await sql.unsafe<{ row: string }[]>(`select t::text as row from ${name} t`)
    parts.push(name, ...rows.map(({ row }) => row))
  }
  return parts.join('\n')
}

/** Every answer that PostgREST gives a person, and the service role, on tables and on what shows a connection. */
async function answers(person: Person, connection: Record<string, unknown>): Promise<string> {
  const { url, publishableKey, secretKey } = useStack()
  const asPerson = { apikey: publishableKey, authorization: `Bearer ${await accessToken(person)}` }
  const asService = { apikey: secretKey, authorization: `Bearer ${secretKey}` }
  const relations = await sql<{ schema: string; name: string }[]>`
    select table_schema as schema, table_name as name from information_schema.tables
    where table_schema in ('public', 'client_mgmt', 'conversation')`
  const texts: string[] = []
  for (const headers of [asPerson, asService]) {
    for (const { schema, name } of relations) {
      const init = { headers: { ...headers, 'accept-profile': schema } }
      texts.push(await (await fetch(`${url}/rest/v1/${name}?select=*`, init)).text())
    }
  }
  const call = async (headers: Record<string, string>, name: string, args: unknown) => {
    const init = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' } }
    const body = JSON.stringify(args)
    texts.push(await (await fetch(`${url}/rest/v1/rpc/${name}`, { ...init, body })).text())
  }
  const { id, ...whose } = connection
  await call(asPerson, 'mcp_connections', {})
  await call(asPerson, 'open_mcp_connection', { id })
  await call(asPerson, 'open_mcp_configuration', { id: whose['mcp_configuration_id'] })
  await call(asService, 'use_mcp_connection', whose)
  await call(asService, 'list_sealed_values', { primary_key_id: 'none', batch: 1000 })
  return texts.join('\n')
}

/** Which of the texts are in the write-ahead log, which holds all that was written, deleted rows too. */
async function findInWal(texts: Iterable<string>): Promise<string[]> {
  const found: string[] = []
  for (const text of texts) {
    // A file older than the slot may be gone by now: it holds nothing that this test wrote.
    const rows = await superuser`
      select w.name from pg_ls_waldir() w
      where position(
        convert_to(${text}, 'UTF8') in pg_read_binary_file('pg_wal/' || w.name, true)
      ) > 0`
    if (rows.length > 0) found.push(text)
  }
  return found
}

it('secrets are found nowhere: not in a dump, the WAL, statistics, logs, errors or answers', async () => {
  const bodies: string[] = []
  const call: OAuthWorker['call'] = async (...args) => {
    const response = await worker.call(...args)
    bodies.push(await response.clone().text(), JSON.stringify([...response.headers]))
    return response
  }
  const watched = { ...worker, call }
  const canaries = new Map<string, string>()
  const { issuer, server } = servers
  issuer.intercept = (_, __, body) => {
    const form = new URLSearchParams(body)
    for (const name of ['code', 'code_verifier', 'refresh_token', 'client_secret', 'token']) {
      const value = form.get(name)
      if (value) canaries.set(`${name} ${canaries.size}`, value)
    }
    return false
  }

  const client = await call(ann, 'PUT', '/clients', {
    issuer: 'https://entered.example',
    client_id: 'entered',
    client_secret: 'canary-client-secret',
  })
  expect(client.status).toBe(200)
  canaries.set('client secret', 'canary-client-secret')
  const bearer = await addConfiguration(ann, server.endpoint, { auth_type: 'bearer' })
  await call(ann, 'PUT', `/configurations/${bearer}/bearer-token`, { token: 'canary-bearer-token' })
  canaries.set('bearer token', 'canary-bearer-token')

  const configurationId = await addConfiguration(ann, server.endpoint)
  const { id } = await connect(watched, ann, configurationId)
  const key = { organizationId: ann.organization.id, userId: ann.id, configurationId }
  for (const credential of [
    await worker.credentials.get(key),
    await worker.credentials.refresh(key),
  ]) {
    canaries.set(`access token ${credential.generation}`, credential.token ?? '')
  }
  // One authorization stays open between callback and finish.
  const { authorizationUrl } = await beginConnection(worker, ann, configurationId)
  const callback = await browse(authorizationUrl.href)
  const page = await follow(worker, callback)
  canaries.set('state', authorizationUrl.searchParams.get('state') ?? '')
  canaries.set('open code', callback.searchParams.get('code') ?? '')
  canaries.set('handle', page.searchParams.get('connection') ?? '')

  // Failures whose answers quote what was sent, or hold tokens in the wrong place.
  const broken = [
    [400, `{"error":"invalid_grant","error_description":"canaryTxt"}`],
    [400, 'canaryTxt {"access_token":"canary-access"'],
    [200, '{"access_token":"canary-access","token_type":"canaryTxt"}'],
    [200, 'canaryTxt "access_token":"canary-access"'],
  ] as const
  canaries.set('text of an issuer', 'canaryTxt').set('unusable token', 'canary-access')
  for (const [status, body] of broken) {
    issuer.intercept = (request, response) => {
      if (request.url !== '/token') return false
      response.writeHead(status, { 'content-type': 'application/json' }).end(body)
      return true
    }
    const failed = await call(ann, 'POST', `/connections/${id}/refresh`)
    expect(failed.status).toBeGreaterThanOrEqual(400)
  }
  issuer.intercept = null

  const names = [...canaries.keys()].map((name) => name.replace(/ \d+$/, ''))
  expect(names).toEqual(
    expect.arrayContaining([
      'code',
      'code_verifier',
      'refresh_token',
      'access token',
      'state',
      'handle',
    ]),
  )
  expect([...canaries.values()].filter((value) => value.length < 9)).toEqual([])
  const { organizationId: organization_id, userId: user_id } = key
  const connection = { id, organization_id, user_id, mcp_configuration_id: configurationId }
  const places = {
    dump: await dump(),
    log: worker.lines.map((line) => JSON.stringify(line)).join('\n'),
    answers: bodies.join('\n'),
    rest: await answers(ann, connection),
    statistics: JSON.stringify(await superuser`select query from extensions.pg_stat_statements`),
    postgres: await readFile(useStack().postgresLog, 'utf8'),
  }
  // What is searched is there: rows, answers with sealed values, statements with their parameters.
  expect(places.log.length).toBeGreaterThan(100)
  expect(places.dump).toContain('mcp_oauth_tokens')
  expect(places.rest).toContain(`"mcp_configuration_id":${configurationId}`)
  expect(places.rest).toMatch(/"value": ?"v1\./)
  expect(places.statistics).toContain('use_mcp_connection')
  expect(places.postgres).toContain(issuer.url)
  for (const [place, text] of Object.entries(places)) {
    for (const [name, canary] of canaries) {
      // The issuer's redirect and ours carry these, to the browser they are meant for.
      expect(text.includes(canary), `${name} in ${place}`).toBe(false)
    }
  }
  const published = [issuer.url, String(authorizationUrl.searchParams.get('client_id'))]
  expect(await findInWal(published)).toEqual(published)
  expect(await findInWal(canaries.values())).toEqual([])
})
