import { isRecord, stringOf } from '../json.ts'

/** The parts of a Google service account key file that signing needs. */
export interface ServiceAccount {
  clientEmail: string
  /** PKCS #8 in PEM. */
  privateKey: string
  privateKeyId: string | null
  tokenUri: string
  projectId: string | null
}

const GOOGLE_TOKEN_URI = 'https://oauth2.googleapis.com/token'
const loopback = new Set(['localhost', '127.0.0.1', '[::1]'])
const pem = /^-----BEGIN PRIVATE KEY-----\s+([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----\s*$/

/**
 * Reads the JSON of a service account's key file.
 *
 * @throws TypeError that names the field at fault and never quotes a value
 */
export function parseServiceAccount(json: string): ServiceAccount {
  const value = parseJson(json)
  if (!isRecord(value)) throw invalid('is not a JSON object')
  if (value['type'] !== 'service_account') throw invalid('has no "type": "service_account"')
  const clientEmail = stringOf(value['client_email'])
  if (clientEmail === null) throw invalid('has no client_email')
  return {
    clientEmail,
    privateKey: parsePrivateKey(value['private_key']),
    privateKeyId: stringOf(value['private_key_id']),
    tokenUri: parseTokenUri(value['token_uri'] ?? GOOGLE_TOKEN_URI),
    projectId: stringOf(value['project_id']),
  }
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    // The parser's message quotes the text, and the text is a private key.
    throw invalid('is not JSON')
  }
}

function parsePrivateKey(value: unknown): string {
  // A key that passed through an .env file often carries \n as two characters.
  const key = stringOf(value)?.replaceAll('\\n', '\n').trim()
  if (key === undefined) throw invalid('has no private_key')
  if (!pem.test(key)) throw invalid('has a private_key that is not a PKCS #8 key in PEM')
  return key
}

function parseTokenUri(value: unknown): string {
  if (typeof value !== 'string' || !URL.canParse(value)) {
    throw invalid('has a token_uri that is not a URL')
  }
  const url = new URL(value)
  const local = url.protocol === 'http:' && loopback.has(url.hostname)
  if (url.protocol !== 'https:' && !local) {
    throw invalid('has a token_uri that is neither https nor on this machine')
  }
  return url.href
}

function invalid(problem: string): TypeError {
  return new TypeError(`The service account key ${problem}`)
}
