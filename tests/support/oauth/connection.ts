import { beforeAll, beforeEach } from 'vitest'
import type { ConnectionKey } from '../../../supabase/functions/_shared/oauth/secret-places.ts'
import { type Organization, type Person, signUpWithOrganization } from '../people/people.ts'
import { connectOwner } from '../stack/database.ts'
import { type OAuthWorker, startWorker } from './app.ts'
import { addConfiguration, connect } from './connect.ts'
import { type Fixture, startServers } from './fixture.ts'

interface ConnectionRow {
  readonly status: string
  readonly generation: number
  readonly refresh_error: string | null
  readonly lease_id: string | null
  readonly access_token: string
  readonly refresh_token: string
}

/** One person's connection: two workers, an issuer with its server; a new connection for each test. */
export class ConnectionFixture {
  /** As the owner of the tables. */
  readonly sql = connectOwner()
  worker!: OAuthWorker
  other!: OAuthWorker
  servers!: Fixture
  ann!: Person & { organization: Organization }
  key!: ConnectionKey
  /** Of the row in `mcp_oauth_tokens`. */
  id!: number

  /** Lets the access token be over. */
  async expire(): Promise<void> {
    await this.sql`
      update public.mcp_oauth_tokens
      set expires_at = clock_timestamp() - interval '1 minute',
        refreshed_at = clock_timestamp() - interval '1 hour'
      where organization_id = ${this.key.organizationId} and id = ${this.id}`
  }

  async row(): Promise<ConnectionRow> {
    const [found] = await this.sql<ConnectionRow[]>`
      select status, generation::int, refresh_error, lease_id, access_token, refresh_token
      from public.mcp_oauth_tokens
      where organization_id = ${this.key.organizationId} and id = ${this.id}`
    if (!found) throw new Error('the connection is gone')
    return found
  }

  /** Answers the token endpoint with a status and a body. */
  answerTokenRequests(status: number, body: string, type = 'application/json'): void {
    this.servers.issuer.intercept = (request, response) => {
      if (request.url !== '/token') return false
      response.writeHead(status, { 'content-type': type }).end(body)
      return true
    }
  }
}

/** Registers the hooks that make the connection of each test of the file. */
export function useConnection(): ConnectionFixture {
  const made = new ConnectionFixture()
  beforeAll(async () => {
    ;[made.worker, made.other, made.servers, made.ann] = await Promise.all([
      startWorker(),
      startWorker(),
      startServers(),
      signUpWithOrganization('ann'),
    ])
  })
  beforeEach(async () => {
    const { ann, servers, worker } = made
    servers.issuer.intercept = null
    servers.server.requiredScope = ''
    const configurationId = await addConfiguration(ann, servers.server.endpoint)
    made.key = { organizationId: ann.organization.id, userId: ann.id, configurationId }
    made.id = (await connect(worker, ann, configurationId)).id
    servers.issuer.tokenRequests.length = 0
    servers.server.tokens.length = 0
  })
  return made
}

/** @returns the code of the error that the work ends with, `none` when it succeeds */
export const errorOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: { code: string }) => error.code,
  )
