import { sha256Hex } from '../crypto/secret.ts'
import type { OAuthSettings } from './settings.ts'

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
