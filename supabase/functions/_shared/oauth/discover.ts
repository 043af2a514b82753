import { resourceUrlFromServerUrl } from '@modelcontextprotocol/client'
import { AppError } from '../errors.ts'
import type { OutboundFetch } from '../outbound/outbound.ts'
import type { OAuthConfiguration } from './open-configuration.ts'
import { authorizationServerFailure, failure } from './failure.ts'
import { fetchDocument, issuerMetadataUrls, resourceMetadataUrls } from './fetch-document.ts'
import { checkIssuerMetadata, type IssuerMetadata } from './issuer-metadata.ts'
import { type Probe, probe } from './probe.ts'
import { type IssuerDocument, readIssuerDocument, readResourceDocument } from './read-document.ts'
import { type KeyedServer, withKeys } from './with-keys.ts'

/** The authorization server of an MCP server, and the resource. */
export interface Discovery {
  readonly metadata: IssuerMetadata
  /** RFC 8707: the resource of every token of this connection. */
  readonly resource: string
  /** Scopes that the server asks for, in the order of the specification; null: none. */
  readonly scope: string | null
}

interface Resource {
  readonly resource: string
  /** In the server's order; the first that is fit for use counts. */
  readonly issuers: readonly string[]
  /** The server did not name it. */
  readonly isGuessed: boolean
  readonly scopes: readonly string[] | undefined
}

const mostIssuers = 4

/**
 * Finds the authorization server of an MCP server: challenge, protected resource metadata (RFC
 * 9728), metadata of the issuer (RFC 8414 or OpenID Connect Discovery), each checked against the
 * address it was asked at. Of several issuers the first that can be used. Requests to the server's own
 * origin carry its keys.
 * @throws AppError what is wrong with the server, its metadata or the first issuer's
 */
export async function discover(
  fetch: OutboundFetch,
  configuration: OAuthConfiguration & KeyedServer,
  allowLoopback: boolean,
): Promise<Discovery> {
  const { endpoint, type } = configuration
  // The server's own requests alone: no key goes to an authorization server, also not at its origin.
  const keyed = withKeys(fetch, configuration)
  const challenge = await probe(keyed, endpoint, type)
  const found = await findResource(keyed, endpoint, challenge)
  const scope = challenge.scope ?? (found.scopes?.join(' ') || null)
  let reason: unknown
  for (const issuer of found.issuers.slice(0, mostIssuers)) {
    try {
      const document = await fetchIssuer(fetch, issuer, found.isGuessed, challenge)
      const metadata = checkIssuerMetadata(document, { ...configuration, allowLoopback })
      return { metadata, resource: found.resource, scope }
    } catch (error) {
      // Of several failures the first issuer's is told: it is the one that was meant first.
      reason ??= error
    }
  }
  throw reason
}

async function fetchIssuer(
  fetch: OutboundFetch,
  issuer: string,
  isGuessed: boolean,
  { isMcp }: Probe,
): Promise<IssuerDocument> {
  if (!URL.canParse(issuer)) {
    throw new AppError('authorization_not_supported', { cause: 'an issuer that is no address' })
  }
  let fetched
  try {
    fetched = await fetchDocument(fetch, issuerMetadataUrls(new URL(issuer)), readIssuerDocument)
  } catch (error) {
    throw authorizationServerFailure(error)
  }
  const { document, isTemporary, findings: cause } = fetched
  if (document === null) {
    if (!isTemporary) {
      // A guessed issuer with another answer is no issuer.
      const nothingThere = isMcp ? 'authorization_not_supported' : 'not_an_mcp_server'
      throw new AppError(isGuessed ? nothingThere : 'authorization_server_error', { cause })
    }
    const code = isGuessed ? 'server_unreachable' : 'authorization_server_unreachable'
    throw new AppError(code, { cause })
  }
  // RFC 8414, section 3.3. A slash at the end is no other issuer: the address is the same.
  if (withSlash(document.issuer) !== withSlash(issuer)) {
    throw new AppError('issuer_mismatch', { cause: 'the metadata names another issuer' })
  }
  return document
}

/**
 * Whether a server that refused our tokens names other authorization servers than the one that issued
 * them.
 */
export async function hasMoved(
  fetch: OutboundFetch,
  server: KeyedServer,
  challenge: Pick<Probe, 'resourceMetadataUrl'>,
  issuer: string,
): Promise<boolean> {
  try {
    const keyed = withKeys(fetch, server)
    const { issuers, isGuessed } = await findResource(keyed, server.endpoint, challenge)
    return !isGuessed && !issuers.some((named) => withSlash(named) === withSlash(issuer))
  } catch {
    return false // Metadata that cannot be read names nobody; the refusal itself is told.
  }
}

async function findResource(
  fetch: OutboundFetch,
  endpoint: string,
  { resourceMetadataUrl }: Pick<Probe, 'resourceMetadataUrl'>,
): Promise<Resource> {
  const own = resourceUrlFromServerUrl(endpoint)
  const urls = resourceMetadataUrls(new URL(endpoint), resourceMetadataUrl)
  let fetched
  try {
    fetched = await fetchDocument(fetch, urls, readResourceDocument)
  } catch (error) {
    throw failure(error, { unreachable: 'server_unreachable', otherwise: 'server_failed' })
  }
  const { document, isTemporary, findings } = fetched
  if (document === null) {
    if (isTemporary) throw new AppError('server_unreachable', { cause: `metadata: ${findings}` })
    if (resourceMetadataUrl !== undefined) {
      throw new AppError('authorization_not_supported', { cause: `metadata: ${findings}` })
    }
    // Servers from before RFC 9728 are their own authorization servers. They too get `resource`.
    const issuer = new URL('/', own).href
    return {
      resource: withoutKey(own, own.href),
      issuers: [issuer],
      isGuessed: true,
      scopes: undefined,
    }
  }
  const { resource, authorization_servers: issuers, scopes_supported: scopes } = document
  if (!isFor(own, resource) || issuers.length === 0) {
    throw new AppError('authorization_not_supported', {
      cause:
        issuers.length === 0 ? 'no authorization server named' : 'metadata of another resource',
    })
  }
  return { resource: withoutKey(own, resource), issuers, isGuessed: false, scopes }
}

/** Whether a resource is this endpoint, or what the endpoint is below of; a slash at the end is none. */
function isFor(own: URL, resource: string): boolean {
  if (!URL.canParse(resource)) return false
  const { origin, pathname } = new URL(resource)
  return origin === own.origin && withSlash(own.pathname).startsWith(withSlash(pathname))
}

/**
 * Without the query where the endpoint has one, in which there may be a key: the person reads the
 * authorization's address, and the issuer too.
 */
function withoutKey(own: URL, resource: string): string {
  if (own.search === '') return resource
  const { origin, pathname } = new URL(resource)
  return `${origin}${pathname}`
}

function withSlash(text: string): string {
  return text.endsWith('/') ? text : `${text}/`
}
