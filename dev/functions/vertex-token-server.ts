import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'

import { jwtVerify } from 'jose'

export interface VertexTokenServer {
  /** The service account's key file, as JSON text, whose `token_uri` is this server. */
  serviceAccount: string
  close(): Promise<void>
}

const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform'

/**
 * Google's token endpoint for service accounts (RFC 7523 section 2.1; Google, "Using OAuth 2.0 for
 * Server to Server Applications"): checks the signed assertion as Google does, gives one token.
 *
 * @param key PKCS #8 PEM, RSA
 */
export async function startVertexTokenServer(
  key: string,
  project: string,
  accessToken: string,
): Promise<VertexTokenServer> {
  const email = `colloquy@${project}.iam.gserviceaccount.com`
  const publicKey = createPublicKey(createPrivateKey(key))
  let tokenUri = ''
  const server = createServer((request, response) => {
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    readForm(request)
      .then((form) => checkAssertion(form, publicKey, email, tokenUri))
      .then(
        () => answer(200, { access_token: accessToken, expires_in: 3600, token_type: 'Bearer' }),
        (error: unknown) =>
          answer(400, { error: 'invalid_grant', error_description: String(error) }),
      )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port')
  tokenUri = `http://127.0.0.1:${address.port}/token`
  return {
    serviceAccount: JSON.stringify({
      type: 'service_account',
      project_id: project,
      private_key_id: 'local',
      private_key: key,
      client_email: email,
      token_uri: tokenUri,
    }),
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

async function checkAssertion(
  form: URLSearchParams,
  key: KeyObject,
  email: string,
  audience: string,
): Promise<void> {
  if (form.get('grant_type') !== GRANT_TYPE) throw new Error('unsupported grant_type')
  const { payload } = await jwtVerify(form.get('assertion') ?? '', key, {
    algorithms: ['RS256'],
    issuer: email,
    audience,
    requiredClaims: ['iat', 'exp'],
  })
  // Google refuses an assertion that lives longer than an hour.
  if (Number(payload.exp) - Number(payload.iat) > 3600) throw new Error('exp is too far away')
  const scopes = typeof payload.scope === 'string' ? payload.scope.split(' ') : []
  if (!scopes.includes(SCOPE)) throw new Error(`scope must include ${SCOPE}`)
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  let body = ''
  for await (const chunk of request as AsyncIterable<Buffer>) {
    body += chunk.toString()
    if (body.length > 16_384) throw new Error('the request is too long')
  }
  return new URLSearchParams(body)
}
