import type { Sql, TransactionSql } from 'postgres'
import { signToken } from '../../database/isolation/rest/clients.ts'
import { useStack } from './stack.ts'

export interface Asked {
  claims: Record<string, unknown>
  role?: 'anon' | 'authenticated' | 'service_role'
  method?: string
  path?: string
  headers?: Record<string, string>
  /** What the request does once it has its turn. */
  work?: (tx: TransactionSql) => PromiseLike<unknown>
}

/** Begins a request as PostgREST does; it lasts as long as its transaction. */
export async function beginRequest(tx: TransactionSql, asked: Asked): Promise<void> {
  const { claims, role = 'authenticated', method = 'GET', path = '', headers = {} } = asked
  await tx`
    select set_config('request.jwt.claims', ${JSON.stringify(claims)}, true),
      set_config('request.method', ${method}, true),
      set_config('request.path', ${path}, true),
      set_config('request.headers', ${JSON.stringify(headers)}, true),
      set_config('role', ${role}, true)`
  await tx`select private.check_request()`
}

/** SQLSTATE and code of a refusal, `allowed` without one. */
export async function requestOutcome(pool: Sql, asked: Asked): Promise<string> {
  try {
    await pool.begin(async (tx) => {
      await beginRequest(tx, asked)
      await asked.work?.(tx)
    })
    return 'allowed'
  } catch (error) {
    const { code, message } = error as { code: string; message: string }
    if (code !== 'PGRST') return `${code} ${message}`
    const answer = JSON.parse(message) as { code: string; message: string }
    return `${answer.code} ${answer.message}`
  }
}

/** A request of a person through REST. */
export function request(
  path: string,
  { headers, ...init }: { method?: string; body?: string; headers?: Record<string, string> },
  claims: Record<string, unknown>,
): Promise<Response> {
  const { url, publishableKey } = useStack()
  const authorization = `Bearer ${signToken(claims)}`
  return fetch(`${url}/rest/v1${path}`, {
    ...init,
    headers: {
      apikey: publishableKey,
      authorization,
      'content-type': 'application/json',
      ...headers,
    },
  })
}
