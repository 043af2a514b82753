import { authError } from '../postgres/database-trouble.ts'

/** The fields that GoTrue reads as text from a body, in every route. */
const TEXTS = [
  ...['email', 'phone', 'password', 'token', 'token_hash', 'type', 'channel', 'nonce', 'provider'],
  ...['refresh_token', 'auth_code', 'code_verifier', 'code_challenge', 'code_challenge_method'],
]

/**
 * GoTrue's answer to a body that is no JSON object or has a value of another type for a text;
 * undefined for a readable body. lite answers these with 500.
 */
export async function refuseBody(request: Request): Promise<Response | undefined> {
  const text = await request.clone().text()
  if (text === '') return undefined
  const isForm = request.headers.get('content-type')?.includes('form-urlencoded') === true
  if (isForm || isReadable(text)) return undefined
  return authError(400, 'bad_json', 'Could not parse request body as JSON')
}

function isReadable(text: string): boolean {
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body !== 'object' || body === null || Array.isArray(body)) return false
    return TEXTS.every((name) => {
      const value: unknown = Reflect.get(body, name)
      return value === undefined || value === null || typeof value === 'string'
    })
  } catch {
    return false
  }
}
