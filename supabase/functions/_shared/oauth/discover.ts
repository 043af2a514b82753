import {
  checkResourceAllowed,
  discoverAuthorizationServerMetadata,
  discoverOAuthProtectedResourceMetadata,
  resourceUrlFromServerUrl,
} from '@modelcontextprotocol/client'
import { AppError } from '../errors.ts'
import { OutboundError } from '../outbound/error.ts'
import type { OutboundFetch } from '../outbound/outbound.ts'
import type { OAuthConfiguration } from './configuration.ts'
import { authorizationServerFailure, failure, kindOf } from './failure.ts'
import { checkIssuerMetadata, type IssuerMetadata } from './issuer-metadata.ts'
import { type Probe, probe } from './probe.ts'

/** Who authorizes for an MCP server, and for what. */
export interface Discovery {
  readonly metadata: IssuerMetadata
  /** RFC 8707: what every token of this connection is for. */
  readonly resource: string
  /** Scopes that the server asks for, in the order of the specification; null: none. */
  readonly scope: string | null
}

interface Resource {
  readonly resource: string
  readonly issuer: string
  /** The server did not name it. */
  readonly isGuessed: boolean
  readonly scopes: readonly string[] | undefined
}

/**
 * Finds the authorization server of an MCP server: challenge, protected resource metadata (RFC
 * 9728), metadata of the issuer (RFC 8414 or OpenID Connect Discovery), each checked against the
 * address it was asked at.
 * @throws AppError what is wrong with the server, its metadata or the issuer's
 */
export async function discover(
  fetch: OutboundFetch,
  configuration: OAuthConfiguration,
  allowLoopback: boolean,
): Promise<Discovery> {
  const { endpoint, type } = configuration
  const challenge = await probe(fetch, endpoint, type)
  const resource = await findResource(fetch, endpoint, challenge)
  const nothingThere = challenge.isMcp ? 'authorization_not_supported' : 'not_an_mcp_server'
  let metadata
  try {
    metadata = await discoverAuthorizationServerMetadata(resource.issuer, { fetchFn: fetch })
  } catch (error) {
    // A guessed issuer that answers with something else is no issuer.
    if (!resource.isGuessed) throw authorizationServerFailure(error)
    throw failure(error, { unreachable: 'server_unreachable', otherwise: nothingThere })
  }
  if (!metadata) throw new AppError(nothingThere)
  return {
    metadata: checkIssuerMetadata(metadata, { ...configuration, allowLoopback }),
    resource: resource.resource,
    scope: challenge.scope ?? (resource.scopes?.join(' ') || null),
  }
}

async function findResource(
  fetch: OutboundFetch,
  endpoint: string,
  challenge: Probe,
): Promise<Resource> {
  const own = resourceUrlFromServerUrl(endpoint)
  let metadata
  try {
    metadata = await discoverOAuthProtectedResourceMetadata(
      endpoint,
      challenge.resourceMetadataUrl && { resourceMetadataUrl: challenge.resourceMetadataUrl },
      fetch,
    )
  } catch (error) {
    const isOurs = error instanceof OutboundError || challenge.resourceMetadataUrl !== undefined
    if (isOurs) {
      throw failure(error, {
        unreachable: 'server_unreachable',
        otherwise: 'authorization_not_supported',
      })
    }
    // Servers from before RFC 9728 are their own authorization servers. They too get `resource`.
    const issuer = new URL('/', own).href
    return { resource: own.href, issuer, isGuessed: true, scopes: undefined }
  }
  const { resource, authorization_servers: [issuer] = [], scopes_supported: scopes } = metadata
  if (!isFor(own, resource) || issuer === undefined) {
    throw new AppError('authorization_not_supported', {
      cause:
        issuer === undefined ? 'no authorization server named' : 'metadata of another resource',
    })
  }
  return { resource, issuer, isGuessed: false, scopes }
}

function isFor(own: URL, resource: string): boolean {
  try {
    return checkResourceAllowed({ requestedResource: own, configuredResource: resource })
  } catch (error) {
    throw new AppError('authorization_not_supported', { cause: kindOf(error) })
  }
}
