import { sha256Hex } from '../crypto/secret.ts'
import type { OAuthSettings } from './settings.ts'

export type TokenEndpointAuthMethod = 'none' | 'client_secret_basic' | 'client_secret_post'

/** What we are to an authorization server (RFC 7591, section 2). */
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
 * The client id metadata document, whose address is our client id. It names the callback alone, where
 * no answer without `iss` is taken: any authorization server can be shown it, by anyone.
 */
export function clientIdMetadataDocument({ clientMetadataUrl, callbackUrl }: OAuthSettings) {
  return { client_id: clientMetadataUrl, ...clientMetadata(callbackUrl, 'none') }
}

/**
 * Where an issuer sends the browser: an address of its own below our callback (RFC 9700, section
 * 4.4.2.2). An issuer that passes the browser on to another one cannot have the answer come here,
 * since our client at the other one does not have this address. It depends on the issuer alone, so
 * that a manager can be told it before there is a client, and it does not change.
 *
 * The callback itself is for our client id metadata document, which cannot name an address for every
 * issuer: one that listed several could be shown to any issuer with any of them. There `iss` says
 * whose answer it is.
 */
export async function redirectUriOf(
  { callbackUrl }: Pick<OAuthSettings, 'callbackUrl'>,
  issuer: string,
): Promise<string> {
  return `${callbackUrl}/${await sha256Hex(issuer)}`
}
