import { beforeAll, beforeEach } from 'vitest'
import { type Organization, type Person, signUpWithOrganization } from '../people/people.ts'
import { connectOwner } from '../stack/database.ts'
import { type OAuthWorker, startWorker } from './app.ts'
import { addConfiguration, codeOf, redirectTo } from './connect.ts'
import { type Fixture, startServers } from './fixture.ts'

/** A worker, an issuer with its server, whose documents a test changes, and a person. */
export class DiscoveryFixture {
  /** As the owner of the tables. */
  readonly sql = connectOwner()
  worker!: OAuthWorker
  servers!: Fixture
  ann!: Person & { organization: Organization }

  /** The code that beginning with an endpoint is refused with. */
  async refusal(
    endpoint: string,
    changes: Record<string, unknown> = {},
    person = this.ann,
    to = redirectTo,
  ): Promise<string> {
    const id = await addConfiguration(person, endpoint, changes)
    const body = { mcp_configuration_id: id, redirect_to: to }
    return codeOf(await this.worker.call(person, 'POST', '/connections', body))
  }
}

/** Registers the hooks of the fixture; each test begins with the documents as they should be. */
export function useDiscovery(): DiscoveryFixture {
  const made = new DiscoveryFixture()
  beforeAll(async () => {
    ;[made.worker, made.servers, made.ann] = await Promise.all([
      startWorker(),
      startServers(),
      signUpWithOrganization('ann'),
    ])
  })
  beforeEach(() => {
    made.servers.server.metadata = (document) => document
    made.servers.issuer.changeMetadata = null
  })
  return made
}
