import { sha256Hex } from '../crypto/secret.ts'
import type { OAuthSettings } from './dependencies.ts'

export type TokenEndpointAuthMethod = 'none' | 'client_secret_basic' | 'client_secret_post'

/** Our client metadata for an authorization server (RFC 7591, section 2). */
export function clientMetadata(redirectUri: string, authMethod: TokenEndpointAuthMethod) {
  return {
    client_name: 'Colloquy',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: authMethod,
    // RFC 8252, section 7.3: an http redirect to this machine is a native application's.
    application_type: redirectUri.startsWith('https:') ? 'web' : 'native',
  }
}

/**
 * The client id metadata document, whose address is our client id. It names the callback only,
 * where an answer without `iss` is refused, because every party can show the document to every
 * authorization server.
 */
export function clientIdMetadataDocument({ clientMetadataUrl, callbackUrl }: OAuthSettings) {
  return { client_id: clientMetadataUrl, ...clientMetadata(callbackUrl, 'none') }
}

/**
 * The redirect URI of an issuer, below our callback (RFC 9700, section 4.4.2.2). An issuer that
 * sends the browser on to another issuer cannot receive that issuer's answer here, because our
 * client at the other issuer has another redirect URI. The URI depends on the issuer only, so a
 * manager can learn it before there is a client, and it does not change. The callback itself is the
 * redirect URI of our client id metadata document, which cannot name an address for every issuer:
 * an issuer could show a list to another one with any of its addresses. There `iss` identifies the
 * issuer.
 */
export async function redirectUriOf(
  { callbackUrl }: Pick<OAuthSettings, 'callbackUrl'>,
  issuer: string,
): Promise<string> {
  return `${callbackUrl}/${await sha256Hex(issuer)}`
}
