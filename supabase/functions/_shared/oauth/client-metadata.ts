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
