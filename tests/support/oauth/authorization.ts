import { beforeAll, beforeEach } from 'vitest'
import { type Organization, type Person, signUpWithOrganization } from '../people/people.ts'
import { connectOwner } from '../stack/database.ts'
import { type OAuthWorker, startWorker } from './app.ts'
import { browse } from './browser.ts'
import { addConfiguration, beginConnection } from './connect.ts'
import { type Fixture, startServers } from './fixture.ts'

/** A worker, an issuer with its server, and a person with a new configuration for each test. */
export class AuthorizationFixture {
  /** As the owner of the tables. */
  readonly sql = connectOwner()
  worker!: OAuthWorker
  servers!: Fixture
  ann!: Person & { organization: Organization }
  configurationId!: number

  /** An authorization up to the point where the issuer sends the browser back. */
  async issuersAnswer(): Promise<URL> {
    const { authorizationUrl } = await beginConnection(this.worker, this.ann, this.configurationId)
    return browse(authorizationUrl.href)
  }
}

/** Registers the hooks of the fixture; each test begins without token requests. */
export function useAuthorization(): AuthorizationFixture {
  const made = new AuthorizationFixture()
  beforeAll(async () => {
    ;[made.worker, made.servers, made.ann] = await Promise.all([
      startWorker(),
      startServers(),
      signUpWithOrganization('ann'),
    ])
  })
  beforeEach(async () => {
    made.servers.issuer.tokenRequests.length = 0
    made.configurationId = await addConfiguration(made.ann, made.servers.server.endpoint)
  })
  return made
}
