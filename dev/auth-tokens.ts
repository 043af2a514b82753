import { decodeJwt, SignJWT } from 'jose'
import type { Sql } from 'postgres'

interface HookResult {
  claims?: Record<string, unknown>
  error?: { http_code?: number; message?: string }
}

/** The token hook refused; GoTrue answers with the hook's status and message. */
export class HookRefused extends Error {
  override name = 'HookRefused'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export interface TokenIssuer {
  /** @returns the token signed again with the claims of the hook, same expiry */
  reissue(accessToken: string, method: string): Promise<string>
}

/**
 * Gives lite's access tokens what the platform's have: its claims, and those that
 * `public.custom_access_token_hook` returns (Supabase, Auth Hooks: Custom Access Token Hook). The
 * hook runs as supabase_auth_admin, as on the platform.
 *
 * @param sql pool that is logged in as supabase_auth_admin
 */
export function createTokenIssuer(sql: Sql, jwtSecret: string, url: string): TokenIssuer {
  const key = new TextEncoder().encode(jwtSecret)
  return {
    async reissue(accessToken, method) {
      const claims = await runHook(sql, platformClaims(decodeJwt(accessToken), method, url), method)
      return new SignJWT(claims).setProtectedHeader({ alg: 'HS256', typ: 'JWT' }).sign(key)
    },
  }
}

/** Whether the migrations bring the hook; a stack of other migrations issues plain tokens. */
export async function hasTokenHook(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ hook: string | null }[]>`
    select to_regprocedure('public.custom_access_token_hook(jsonb)') as hook`
  return row?.hook != null
}

function platformClaims(lite: Record<string, unknown>, method: string, url: string) {
  return {
    ...lite,
    iss: `${url}/auth/v1`,
    aud: 'authenticated',
    aal: 'aal1',
    amr: [{ method, timestamp: lite.iat }],
  }
}

async function runHook(
  sql: Sql,
  claims: Record<string, unknown> & { sub?: string },
  method: string,
): Promise<Record<string, unknown>> {
  const userId = claims.sub
  if (userId === undefined) throw new Error('lite issued a token without a subject')
  const [row] = await sql<{ result: HookResult }[]>`
    select public.custom_access_token_hook(jsonb_build_object(
      'user_id', u.id,
      'authentication_method', ${method}::text,
      'claims', ${sql.json(claims as never)}::jsonb || jsonb_build_object(
        'phone', coalesce(u.phone, ''),
        'app_metadata', u.raw_app_meta_data,
        'user_metadata', u.raw_user_meta_data,
        'is_anonymous', u.is_anonymous
      )
    )) as result
    from auth.users as u
    where u.id = ${userId}`
  const result = row?.result
  if (result?.error !== undefined) {
    throw new HookRefused(result.error.http_code ?? 500, result.error.message ?? 'hook refused')
  }
  if (result?.claims === undefined) throw new HookRefused(500, 'the token hook returned no claims')
  return result.claims
}
