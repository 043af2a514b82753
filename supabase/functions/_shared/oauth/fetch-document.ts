import { LATEST_PROTOCOL_VERSION } from '@modelcontextprotocol/client'
import { OutboundError } from '../outbound/error.ts'
import { giveUp } from '../outbound/give-up.ts'
import type { OutboundFetch } from '../outbound/outbound.ts'
import { withinOrigin } from './within-origin.ts'

const headers = { accept: 'application/json', 'mcp-protocol-version': LATEST_PROTOCOL_VERSION }

/** What the addresses of a document gave. */
export interface FetchedDocument<Document> {
  /** The first that can be read; null: none. */
  readonly document: Document | null
  /** An address failed in a way that may pass: a 5xx, a 429, no answer. */
  readonly isTemporary: boolean
  /** What each address said, for the log: no foreign text. */
  readonly findings: string
}

/**
 * Reads a document at the first of several addresses that has it. One that answers with something
 * else does not keep the next from being asked.
 * @param read the document, or what is missing
 * @throws OutboundError when an address may not be reached
 */
export async function fetchDocument<Document extends object>(
  fetch: OutboundFetch,
  urls: readonly URL[],
  read: (value: unknown) => Document | string,
): Promise<FetchedDocument<Document>> {
  const findings: string[] = []
  let isTemporary = false
  for (const url of urls) {
    let finding: string
    try {
      const response = await withinOrigin(fetch)(url, { headers })
      if (response.ok) {
        const document = read(await response.json())
        if (typeof document !== 'string') return { document, isTemporary, findings: '' }
        finding = document
      } else {
        await giveUp(response.body)
        isTemporary ||= response.status >= 500 || response.status === 429
        finding = `status ${response.status}`
      }
    } catch (error) {
      if (error instanceof OutboundError && /^(forbidden|host_not)/.test(error.reason)) throw error
      isTemporary ||= error instanceof OutboundError && isSilence(error)
      finding = error instanceof OutboundError ? error.reason : 'no JSON'
    }
    findings.push(finding)
  }
  return { document: null, isTemporary, findings: findings.join(', ') }
}

function isSilence({ reason }: OutboundError): boolean {
  return reason === 'unreachable' || reason === 'timeout' || reason === 'broken_answer'
}

/** Where an issuer's metadata may be (RFC 8414, section 3.1; OpenID Connect Discovery, section 4). */
export function issuerMetadataUrls(issuer: URL): URL[] {
  const path = issuer.pathname.replace(/\/$/, '')
  const wellKnown = (name: string, before = '', after = '') =>
    new URL(`${before}/.well-known/${name}${after}`, issuer.origin)
  return [
    wellKnown('oauth-authorization-server', '', path),
    wellKnown('openid-configuration', '', path),
    ...(path === '' ? [] : [wellKnown('openid-configuration', path)]),
  ]
}

/** Where a resource's metadata may be (RFC 9728, section 3.1); what it names itself comes first. */
export function resourceMetadataUrls(resource: URL, named: URL | undefined): URL[] {
  const path = resource.pathname.replace(/\/$/, '')
  const beside = new URL(`/.well-known/oauth-protected-resource${path}`, resource.origin)
  beside.search = resource.search
  const root = new URL('/.well-known/oauth-protected-resource', resource.origin)
  const urls = [...(named ? [named] : []), beside, root]
  return [...new Map(urls.map((url) => [url.href, url])).values()]
}
