import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type OAuthWorker, startWorker } from '../../support/oauth/app.ts'
import { browse } from '../../support/oauth/browser.ts'
import {
  addConfiguration,
  beginConnection,
  codeOf,
  follow,
  redirectTo,
  redirectUriFor,
} from '../../support/oauth/connect.ts'
import { type Fixture, startServers } from '../../support/oauth/fixture.ts'
import {
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../../support/people/people.ts'
import { connectOwner } from '../../support/stack/database.ts'

// RFC 9700, section 4.4: the person connects a server of the attacker, whose issuer passes the browser
// on to an honest one. Its code and our verifier must not go to the attacker's token endpoint.

const sql = connectOwner()
const publicUrl = 'https://api.example/functions/v1/oauth'
const documentUrl = `${publicUrl}/client-metadata.json`
let local: OAuthWorker
let hosted: OAuthWorker
let ann: Person & { organization: Organization }
let evil: Fixture
let evilConfiguration: number

beforeAll(async () => {
  ;[local, hosted, ann] = await Promise.all([
    startWorker(),
    startWorker({ OAUTH_PUBLIC_URL: publicUrl }),
    signUpWithOrganization('ann'),
  ])
})

beforeEach(async () => {
  evil = await startServers()
  evilConfiguration = await addConfiguration(ann, evil.server.endpoint)
})

/** Has an issuer say in its metadata whether its answers have `iss`. */
function declare({ issuer }: Fixture, sendsIssuer: boolean, more: Record<string, unknown> = {}) {
  issuer.changeMetadata = (metadata) => ({
    ...metadata,
    authorization_response_iss_parameter_supported: sendsIssuer,
    ...more,
  })
}

/** What the attacker knows of our client at the honest issuer. */
interface KnownClient {
  readonly clientId: string
  readonly redirectUri: string
}

/** Where the attacker's issuer sends the browser that came to it, and what we asked it with. */
async function passOn(
  worker: OAuthWorker,
  honest: Fixture,
  { clientId, redirectUri }: KnownClient,
): Promise<URL> {
  const { authorizationUrl } = await beginConnection(worker, ann, evilConfiguration)
  const forwarded = new URL(`${honest.issuer.url}/auth${authorizationUrl.search}`)
  forwarded.searchParams.set('client_id', clientId)
  forwarded.searchParams.set('redirect_uri', redirectUri)
  forwarded.searchParams.set('resource', honest.server.endpoint)
  return forwarded
}

/** The honest issuer's answer, which has `iss` or not. */
async function answer(forwarded: URL, sendsIssuer: boolean): Promise<URL> {
  const callback = await browse(forwarded.href)
  expect(callback.searchParams.get('code')).not.toBeNull()
  if (!sendsIssuer) callback.searchParams.delete('iss')
  return callback
}

/** Goes on as the person's client would, and makes sure that nothing was sent, kept or left over. */
async function expectRefused(worker: OAuthWorker, honest: Fixture, callback: URL, code: string) {
  const page = await follow(worker, callback)
  const connection = page.searchParams.get('connection')
  await worker.call(ann, 'POST', '/connections/finish', { connection })
  expect(evil.issuer.tokenRequests).toEqual([])
  expect(honest.issuer.tokenRequests).toEqual([])
  for (const table of ['oauth_states', 'mcp_oauth_tokens']) {
    const rows = await sql`
      select from ${sql(`public.${table}`)} where mcp_configuration_id = ${evilConfiguration}`
    expect(rows).toHaveLength(0)
  }
  expect(page.search).toBe(`?error=${code}`)
}

/** Our client at the honest issuer, registered by the function. */
async function registered(honest: Fixture): Promise<KnownClient> {
  const configurationId = await addConfiguration(ann, honest.server.endpoint)
  const { authorizationUrl } = await beginConnection(local, ann, configurationId)
  return {
    clientId: authorizationUrl.searchParams.get('client_id') ?? '',
    redirectUri: authorizationUrl.searchParams.get('redirect_uri') ?? '',
  }
}

/** Our client at an honest issuer, entered by a manager; the issuer registers nobody by itself. */
async function entered(): Promise<[Fixture, KnownClient]> {
  const client = { client_id: 'by-hand', client_secret: 'by-hand-secret' }
  const honest = await startServers({
    registration: false,
    clients: (issuer) => [
      { ...client, redirect_uris: [redirectUriFor(local, issuer)], application_type: 'native' },
    ],
  })
  const { url } = honest.issuer
  const stored = await local.call(ann, 'PUT', '/clients', { issuer: url, ...client })
  const { redirect_uri: redirectUri } = (await stored.json()) as { redirect_uri: string }
  return [honest, { clientId: client.client_id, redirectUri }]
}

/** Our client at each kind of honest issuer that has one of its own. */
const ways: [string, () => Promise<[Fixture, KnownClient]>][] = [
  [
    'a registered client',
    async () => {
      const honest = await startServers()
      declare(honest, false)
      return [honest, await registered(honest)]
    },
  ],
  [
    'an entered client',
    async () => {
      const [honest, client] = await entered()
      declare(honest, false)
      return [honest, client]
    },
  ],
]

describe.each(ways)('an issuer that passes the browser on, with %s at the other one', (_, open) => {
  it.each([
    ['neither sends iss', false, false],
    ['only the honest one sends iss', false, true],
    ['the attacker only promises iss', true, false],
    ['both send iss', true, true],
  ])('gets no code and no verifier: %s', async (_, evilDeclares, honestSends) => {
    const [honest, client] = await open()
    declare(evil, evilDeclares)
    const forwarded = await passOn(local, honest, client)
    await expectRefused(local, honest, await answer(forwarded, honestSends), 'invalid_state')
  })

  it('gets no answer at its own address: the other one knows that address not to be ours', async () => {
    const [honest, client] = await open()
    declare(evil, false)
    const redirectUri = redirectUriFor(local, evil.issuer.url)
    const forwarded = await passOn(local, honest, { ...client, redirectUri })
    await expect(browse(forwarded.href)).rejects.toThrow(/stopped: 400[^]*redirect_uri/)
  })

  it('gets none by naming the other one’s authorization endpoint and our client there', async () => {
    const [honest, client] = await open()
    declare(evil, false, { authorization_endpoint: `${honest.issuer.url}/auth` })
    evil.issuer.intercept = (request, response) => {
      if (request.url !== '/reg') return false
      response.writeHead(201, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ client_id: client.clientId, redirect_uris: [] }))
      return true
    }
    const { authorizationUrl } = await beginConnection(local, ann, evilConfiguration)
    expect(authorizationUrl.origin).toBe(honest.issuer.url)
    expect(authorizationUrl.searchParams.get('client_id')).toBe(client.clientId)
    await expect(browse(authorizationUrl.href)).rejects.toThrow(/stopped: 400[^]*redirect_uri/)
  })
})

describe('an issuer that passes the browser on, with our metadata document', () => {
  const document = { clientId: documentUrl, redirectUri: `${publicUrl}/callback` }
  let honest: Fixture

  beforeEach(async () => {
    // Any authorization server that takes documents knows what ours says.
    honest = await startServers({
      clients: () => [
        {
          client_id: documentUrl,
          redirect_uris: [document.redirectUri],
          token_endpoint_auth_method: 'none',
        },
      ],
    })
  })

  it.each([
    ['has no iss', false],
    ['has the other one’s iss', true],
  ])('gets no code by taking the document too, when the answer %s', async (_, honestSends) => {
    declare(evil, true, { client_id_metadata_document_supported: true })
    const forwarded = await passOn(hosted, honest, document)
    await expectRefused(hosted, honest, await answer(forwarded, honestSends), 'issuer_mismatch')
  })

  it('gets no code by sending no iss itself: its answers come elsewhere', async () => {
    declare(evil, false, { client_id_metadata_document_supported: true })
    const forwarded = await passOn(hosted, honest, document)
    await expectRefused(hosted, honest, await answer(forwarded, false), 'invalid_state')
    const redirectUri = redirectUriFor(hosted, evil.issuer.url)
    const elsewhere = await passOn(hosted, honest, { ...document, redirectUri })
    await expect(browse(elsewhere.href)).rejects.toThrow(/stopped: 400[^]*redirect_uri/)
  })
})

it('an issuer that claims the token endpoint of another one gets a code redeemed nowhere', async () => {
  const honest = await startServers()
  declare(evil, false, { token_endpoint: `${honest.issuer.url}/token` })
  const { authorizationUrl } = await beginConnection(local, ann, evilConfiguration)
  const callback = await browse(authorizationUrl.href)
  callback.searchParams.delete('iss')
  const page = await follow(local, callback)
  expect(`${page.origin}${page.pathname}`).toBe(redirectTo)
  const connection = page.searchParams.get('connection')
  const finished = await local.call(ann, 'POST', '/connections/finish', { connection })
  // The honest issuer neither knows this client nor issued this code.
  expect(await codeOf(finished)).toBe('client_rejected')
})
