import { beforeAll, describe, expect, it } from 'vitest'
import { type OAuthWorker, startWorker } from '../../support/oauth/app.ts'
import { addConfiguration, beginConnection, follow } from '../../support/oauth/connect.ts'
import { StrictIssuer } from '../../support/oauth/strict-issuer.ts'
import {
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../../support/people/people.ts'

let issuer: StrictIssuer
let worker: OAuthWorker
let ann: Person & { organization: Organization }

beforeAll(async () => {
  worker = await startWorker({}, { outbound: () => (url, init) => issuer.fetch(url, init) })
  ann = await signUpWithOrganization('ann')
})

/** Connects and refreshes. @returns the resource of the authorization and of each token request */
async function resourcesWith(oauth_resource: string | null) {
  issuer = new StrictIssuer()
  const configurationId = await addConfiguration(ann, issuer.endpoint, { oauth_resource })
  const { authorizationUrl } = await beginConnection(worker, ann, configurationId)
  const page = await follow(worker, issuer.consent(authorizationUrl))
  const connection = page.searchParams.get('connection')
  const finished = await worker.call(ann, 'POST', '/connections/finish', { connection })
  expect(finished.status).toBe(201)
  const key = { organizationId: ann.organization.id, userId: ann.id, configurationId }
  await worker.credentials.refresh(key)
  const asked = authorizationUrl.searchParams.get('resource')
  return { key, resources: [asked, ...issuer.resources] }
}

describe('the resource of a configuration', () => {
  it('is the discovered one unless the configuration has its own', async () => {
    const { resources } = await resourcesWith(null)
    expect(resources).toEqual([issuer.endpoint, issuer.endpoint, issuer.endpoint])
  })

  it('can be an application URI, as Microsoft Entra wants it, in every request', async () => {
    const own = 'api://00000000-0000-0000-0000-000000000001'
    expect((await resourcesWith(own)).resources).toEqual([own, own, own])
  })

  it('can be left out of every request', async () => {
    expect((await resourcesWith('')).resources).toEqual([null, null, null])
  })

  it('is a URI, and its change disconnects: the tokens are of another resource', async () => {
    const { key } = await resourcesWith(null)
    const set = (oauth_resource: string) =>
      ann.client.from('mcp_configurations').update({ oauth_resource }).eq('id', key.configurationId)
    expect((await set('not a uri')).error?.code).toBe('23514')
    expect((await worker.credentials.get(key)).token).not.toBeNull()
    expect((await set('api://other')).error).toBeNull()
    await expect(worker.credentials.get(key)).rejects.toMatchObject({
      code: 'connection_needs_authorization',
    })
  })
})
