import { decodeJwt, SignJWT } from 'jose'
import type { PgPool } from '../postgres/pg-pool.ts'

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
 * Gives lite's access tokens the claims of the platform's tokens and those of
 * `public.custom_access_token_hook` (Supabase, Auth Hooks: Custom Access Token Hook). The hook runs
 * as supabase_auth_admin, as on the platform.
 * @param pool logged in as supabase_auth_admin
 */
export function createTokenIssuer(pool: PgPool, jwtSecret: string, url: string): TokenIssuer {
  const key = new TextEncoder().encode(jwtSecret)
  return {
    async reissue(accessToken, method) {
      const claims = await runHook(
        pool,
        platformClaims(decodeJwt(accessToken), method, url),
        method,
      )
      return new SignJWT(claims).setProtectedHeader({ alg: 'HS256', typ: 'JWT' }).sign(key)
    },
  }
}

/** Whether the migrations bring the hook; a stack of other migrations issues plain tokens. */
export async function hasTokenHook(pool: PgPool): Promise<boolean> {
  const { rows } = await pool.query(
    "select to_regprocedure('public.custom_access_token_hook(jsonb)') as hook",
    [],
  )
  return rows[0]?.hook != null
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
  pool: PgPool,
  claims: Record<string, unknown> & { sub?: string },
  method: string,
): Promise<Record<string, unknown>> {
  const userId = claims.sub
  if (userId === undefined) throw new Error('lite issued a token without a subject')
  const { rows } = await pool.query(
    `select public.custom_access_token_hook(jsonb_build_object(
      'user_id', u.id,
      'authentication_method', $1::text,
      'claims', $2::jsonb || jsonb_build_object(
        'email', coalesce(u.email, ''),
        'phone', coalesce(u.phone, ''),
        'app_metadata', u.raw_app_meta_data,
        'user_metadata', u.raw_user_meta_data,
        'is_anonymous', u.is_anonymous
      )
    )) as result
    from auth.users as u
    where u.id = $3`,
    [method, claims, userId],
  )
  const result = rows[0]?.result as HookResult | undefined
  if (result?.error !== undefined) {
    throw new HookRefused(result.error.http_code ?? 500, result.error.message ?? 'hook refused')
  }
  if (result?.claims === undefined) throw new HookRefused(500, 'the token hook returned no claims')
  return result.claims
}
