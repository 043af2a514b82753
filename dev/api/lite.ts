import { setTimeout as sleep } from 'node:timers/promises'
import { App, type EmailMessage, type HonoContext } from '@supabase/lite'
import type { MiddlewareHandler } from 'hono'
import { explaining, explainRest } from '../postgres/database-trouble.ts'
import { connect, type Database } from '../postgres/database.ts'
import type { Secrets } from '../postgres/secrets.ts'
import { prepareAuthSchema, replaceAuthFunctions } from './auth-schema.ts'
import { platformSettings } from './platform-settings.ts'
import { PooledConnection } from './pooled-connection.ts'
import { RestConnection } from './rest-connection.ts'
import { quietRefusals, withoutInternals } from './rest-errors.ts'
import { answerAsPostgrest } from './rest-forms.ts'
import { inTurn, withRequest } from './rest-request.ts'

type Fetch = (request: Request, left?: AbortSignal) => Promise<Response>

/** How long requests under way may take when REST is closed. */
const END_TIMEOUT_MS = 2_000

export interface LiteOptions {
  database: Database
  secrets: Secrets
  /** Public URL of the gateway; links in e-mails begin with it. */
  url: string
  log: (line: string) => void
}

export interface LiteServer {
  fetch: Fetch
  close(): Promise<void>
}

export function appConfig({ secrets, url }: LiteOptions) {
  const { api, auth } = platformSettings
  return {
    // Without an apikey every request is refused, and a token must be one (`anonymous_enabled`:
    // lite would treat a malformed token as no token).
    api: {
      ...api,
      schemas: [...api.schemas],
      extra_search_path: [...api.extra_search_path],
      external_url: url,
      anonymous_enabled: false,
    },
    auth: {
      ...auth,
      additional_redirect_urls: [...auth.additional_redirect_urls],
      enabled: true,
      jwt_secret: secrets.jwtSecret,
      publishable_key: secrets.publishableKey,
      secret_key: secrets.secretKey,
      email: { enable_signup: true, enable_confirmations: false },
    },
    storage: { enabled: false },
    studio: { enabled: false },
    db: { migrations: { enabled: false } },
  }
}

/** REST over `/rest/v1`, after the migrations. */
export async function startRest(options: LiteOptions): Promise<LiteServer> {
  const { secretKey, jwtSecret } = options.secrets
  const connection = new RestConnection(options.database)
  const app = new App({
    ...appConfig(options),
    connection,
    options: { server: { admin: false, middlewares: [withoutUserLookup] } },
  })
  const restoreConsole = quietRefusals()
  const underWay = new Set<Promise<unknown>>()
  const close = async () => {
    await Promise.race([Promise.allSettled(underWay), sleep(END_TIMEOUT_MS, null, { ref: false })])
    await connection.close()
    restoreConsole()
  }
  try {
    await app.init()
    await connection.readSchema()
  } catch (error) {
    await close()
    throw error
  }
  const answer = (request: Request) => {
    const answered = withRequest(request, (one) =>
      answerAsPostgrest(one, async (form) => app.fetch(form)),
    ).then(withoutInternals)
    underWay.add(answered)
    const end = () => underWay.delete(answered)
    answered.then(end, end)
    return answered
  }
  const fetch = inTurn(secretKey, jwtSecret, explaining(answer, explainRest))
  return { fetch, close }
}

/**
 * Before REST verifies a token, lite looks its user and session up in schema auth and ignores what
 * it finds. PostgREST does not, and its login may not read that schema.
 */
export const withoutUserLookup: MiddlewareHandler<HonoContext> = async (context, next) => {
  const repo = { findUserById: () => Promise.resolve(null) }
  context.set('authService', { repo } as never)
  await next()
}

/**
 * Auth over `/auth/v1`, as the platform's role for it. Makes the tables of schema auth and its
 * functions, which migrations refer to.
 */
export async function startAuth(options: LiteOptions): Promise<LiteServer> {
  const { database, log, url } = options
  const sql = connect(database.auth)
  const connection = new PooledConnection(database.auth, 10)
  const email = { send: (message: EmailMessage) => Promise.resolve(report(message, url, log)) }
  const app = new App({
    ...appConfig(options),
    connection,
    options: { server: { admin: false }, drivers: { email } },
  })
  try {
    await prepareAuthSchema(sql, database.owner)
    await app.ensureSystemSchema()
    await replaceAuthFunctions(sql)
  } catch (error) {
    await connection.close()
    throw error
  } finally {
    await sql.end()
  }
  return { fetch: (request) => app.fetch(request), close: () => connection.close() }
}

/**
 * No mail leaves this machine: it is printed. lite begins each link with the address of the client, where
 * no Auth answers; the platform begins it with its own.
 */
function report(message: EmailMessage, url: string, log: (line: string) => void): void {
  const { site_url } = platformSettings.auth
  const text = (message.text ?? '').replaceAll(`${site_url}/auth/v1/`, `${url}/auth/v1/`)
  log(`E-mail to ${message.to}: ${message.subject}\n${text}`)
}
