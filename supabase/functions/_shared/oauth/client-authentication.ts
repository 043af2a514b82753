import { selectClientAuthMethod } from '@modelcontextprotocol/client'
import { clientInformation, type OAuthClient } from './client.ts'

/**
 * Adds our credentials to a request of the token or revocation endpoint, in the way that was
 * registered, else in one that the issuer supports.
 */
export function authenticateClient(
  client: OAuthClient,
  supported: readonly string[] | undefined,
  headers: Headers,
  parameters: URLSearchParams,
): void {
  const { clientId, clientSecret } = client
  const method =
    client.authMethod ?? selectClientAuthMethod(clientInformation(client), [...(supported ?? [])])
  if (method === 'client_secret_basic' && clientSecret !== undefined) {
    // Form-encoded first (RFC 6749, section 2.3.1), so that a colon in an id is no separator.
    const pair = [clientId, clientSecret].map(formEncode).join(':')
    headers.set('authorization', `Basic ${btoa(pair)}`)
    return
  }
  parameters.set('client_id', clientId)
  if (method !== 'none' && clientSecret !== undefined) parameters.set('client_secret', clientSecret)
}

function formEncode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}
