import { AsyncLocalStorage } from 'node:async_hooks'
import { errorCode } from '../process/start-error.ts'

/** Why the database could not be asked. */
type Reason = 'unreachable' | 'lost' | 'busy'

/** PostgREST's codes for the same (PostgREST, Errors, group 0). */
const POSTGREST: Record<Reason, { status: number; code: string; message: string }> = {
  unreachable: {
    status: 503,
    code: 'PGRST000',
    message: 'Database connection error. Retrying the connection.',
  },
  lost: {
    status: 503,
    code: 'PGRST001',
    message: 'Database client error. Retrying the connection.',
  },
  busy: {
    status: 504,
    code: 'PGRST003',
    message: 'Timed out acquiring connection from connection pool.',
  },
}

/**
 * The statement had no answer: there was no connection, or the connection ended. Another try may
 * get one.
 */
export class DatabaseUnavailable extends Error {
  override name = 'DatabaseUnavailable'

  constructor(
    readonly reason: Reason,
    cause: unknown,
  ) {
    super(`the database is ${reason}`, { cause })
  }
}

const requests = new AsyncLocalStorage<unknown[]>()

/** Keeps the error of a statement for the answer to the request it belongs to. */
export function note<Thrown>(error: Thrown): Thrown {
  requests.getStore()?.push(error)
  return error
}

type Fetch = (request: Request) => Promise<Response>

/**
 * Replaces an answer that is no success when `explain` knows a better one for the errors that the
 * request's statements met. lite catches errors of the database at many places, and answers with
 * 500 and a text of Node.js, or as if there were no such user or session.
 */
export function explaining(
  answer: Fetch,
  explain: (troubles: readonly unknown[]) => Response | undefined,
): Fetch {
  return async (request) => {
    const troubles: unknown[] = []
    try {
      const response = await requests.run(troubles, () => answer(request))
      return response.status < 400 ? response : (explain(troubles) ?? response)
    } catch (error) {
      const response = explain(troubles)
      if (response === undefined) throw error
      return response
    }
  }
}

const unavailability = (troubles: readonly unknown[]) =>
  troubles.find((trouble) => trouble instanceof DatabaseUnavailable)

/** PostgREST's answer when the database could not be asked. */
export function explainRest(troubles: readonly unknown[]): Response | undefined {
  const trouble = unavailability(troubles)
  if (trouble === undefined) return undefined
  const { status, code, message } = POSTGREST[trouble.reason]
  const details = `database_unavailable: ${UNAVAILABLE}`
  return Response.json({ code, message, details, hint: null }, { status, headers: RETRY })
}

/** The same in GoTrue's shape, and its answers to a value that another request was faster to take. */
export function explainAuth(troubles: readonly unknown[]): Response | undefined {
  if (unavailability(troubles) !== undefined) {
    return authError(503, 'database_unavailable', UNAVAILABLE, RETRY)
  }
  if (troubles.some(isUnusable)) {
    return authError(400, 'validation_failed', 'A value cannot be stored.')
  }
  const conflict = troubles.find(isConflict)
  if (conflict === undefined) return undefined
  return Reflect.get(conflict as object, 'table') === 'users'
    ? authError(422, 'user_already_exists', 'User already registered')
    : authError(409, 'conflict', 'Another request changed the same; try again.', RETRY)
}

const isUnusable = (trouble: unknown) => errorCode(trouble)?.startsWith('22') === true
const isConflict = (trouble: unknown) => errorCode(trouble) === '23505'

/** Whether the answer to this error of a statement is a refusal, and no failure of Auth. */
export function isRefusedByAuth(error: unknown): boolean {
  return isUnusable(error) || isConflict(error)
}

/** An error in the shape of GoTrue. */
export function authError(
  code: number,
  error_code: string,
  msg: string,
  headers: Record<string, string> = {},
): Response {
  return Response.json(
    { code, error_code, msg },
    { status: code, headers: { ...headers, 'X-Sb-Error-Code': error_code } },
  )
}

const UNAVAILABLE = 'The database cannot be reached right now.'
/** Seconds after which a client should come again. */
const RETRY = { 'Retry-After': '1' }
