import pg from 'pg'
import { DatabaseUnavailable, isRefusedByAuth } from '../postgres/database-trouble.ts'
import { UnusableValue } from '../postgres/pg-query.ts'

/**
 * An error of PostgreSQL in the form that makes lite answer as PostgREST does. lite turns SQLSTATEs
 * it has no rule for (P0001, P0002, 23514, ...) into 500 without a code; an error raised with
 * SQLSTATE PGRST, however, says itself what to answer (PostgREST, Errors: raise with HTTP status).
 */
export class RestError extends Error {
  override name = 'RestError'
  readonly code: string
  readonly detail: string | undefined
  readonly hint: string | undefined
  /** A failure of the server, not a refusal of the statement. */
  readonly isFault: boolean

  constructor({ code = 'XX000', message, detail, hint }: Refusal) {
    // lite's own rule for this one is PostgREST's: 401 for anon, else 403.
    const asIs = code === '42501' || code === 'PGRST' || code.startsWith('PT')
    super(asIs ? message : JSON.stringify({ code, message, details: detail, hint }))
    this.code = asIs ? code : 'PGRST'
    this.detail = asIs ? detail : JSON.stringify(answerTo(code, message))
    this.hint = hint
    // A statement that took too long (57014) is the statement's.
    this.isFault = /^(08|53|57(?!014)|58|F0|XX)/.test(code)
  }
}

interface Refusal {
  code?: string | undefined
  message: string
  detail?: string | undefined
  hint?: string | undefined
}

function answerTo(code: string, message: string) {
  const status = statusOf(code, message)
  return { status, headers: status === 503 ? { 'Retry-After': '1' } : {} }
}

/** Any error in the form that lite answers as PostgREST does; what is unknown stays as it is. */
export function toRestError(error: unknown): unknown {
  if (error instanceof pg.DatabaseError) return new RestError(error)
  // PostgREST hands the body to PostgreSQL as it came, and has no such error of its own.
  if (error instanceof UnusableValue || error instanceof RangeError) {
    return new RestError({ code: 'PGRST102', message: 'The body is nested too deeply' })
  }
  return error
}

/** Replaces lite's answer to an error it has no rule for, whose text is that of Node.js. */
export async function withoutInternals(response: Response): Promise<Response> {
  if (response.status !== 500) return response
  const body = (await response.clone().json()) as { code?: unknown }
  if (body.code !== 'SUP') return response
  const message = 'The local REST server failed; see its output.'
  return Response.json({ code: 'XX000', message, details: null, hint: null }, { status: 500 })
}

const CLASSES: Record<string, number> = {
  '08': 503,
  '09': 500,
  '0L': 403,
  '0P': 403,
  '25': 500,
  '28': 403,
  '2D': 500,
  '38': 500,
  '39': 500,
  '3B': 500,
  '40': 500,
  '53': 503,
  '54': 500,
  '55': 500,
  '57': 500,
  '58': 500,
  F0: 500,
  HV: 500,
  P0: 500,
  XX: 500,
}

const CODES: Record<string, number> = {
  '23503': 409,
  '23505': 409,
  '25006': 405,
  '42883': 404,
  '42P01': 404,
  '42P17': 500,
  '53400': 500,
  '57P01': 503,
  P0001: 400,
}

/** The HTTP status of a SQLSTATE (PostgREST, Errors: HTTP status codes). */
export function statusOf(code: string, message: string): number {
  if (code === '21000') return message.endsWith('requires a WHERE clause') ? 400 : 500
  if (code === '22023' && /^role .* does not exist$/.test(message)) return 401
  return CODES[code] ?? CLASSES[code.slice(0, 2)] ?? 400
}

/**
 * Stops lite from printing a stack trace for a request that PostgreSQL refuses, which is no
 * failure. A request that could not reach PostgreSQL prints one line. Other output to console.error
 * is unchanged.
 * @returns how to undo it
 */
export function quietRefusals(): () => void {
  const original = console.error
  const filtered = (...values: unknown[]) => {
    // Auth writes two words before the error.
    const error = values.find((value) => value instanceof Error)
    if (error instanceof RestError) {
      if (error.isFault) original(`rest: ${error.message}`)
    } else if (error instanceof DatabaseUnavailable) original(error.message)
    else if (!isRefusedByAuth(error)) original(...values)
  }
  console.error = filtered
  return () => {
    if (console.error === filtered) console.error = original
  }
}
