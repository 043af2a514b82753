import { readFileSync } from 'node:fs'
import path from 'node:path'
import { statusOf } from '../../dev/api/rest-errors.ts'
import { root } from '../../dev/check/command.ts'
import { markersIn } from './markers.ts'
import { hidden } from './provider.ts'

/** Which part answered. */
export type Part = 'agents' | 'rest' | 'auth'

/** The local gateway's own answers while a part restarts (dev/stack/gateway.ts). */
const gatewayCodes = ['function_unavailable', 'starting']
/** How Auth names a token that its session does not fit, or a wrong password (GoTrue's codes). */
const authCodes = [
  'invalid_credentials',
  'refresh_token_not_found',
  'session_not_found',
  // A sign-up is sent again when its answer was lost.
  'user_already_exists',
]

/** Counts every answer, and keeps those that are not as documented. */
export class Answers {
  readonly counts = new Map<string, number>()
  readonly undocumented: string[] = []
  readonly foreign: string[] = []
  readonly #codes: ReadonlySet<string>

  constructor() {
    const text = readFileSync(path.join(root, 'docs/error-codes.md'), 'utf8')
    const codes = [
      ...text.matchAll(/^\| *`(\w+)` *\|/gm),
      ...text.matchAll(/`(PGRST\d+|57014)`/g),
    ].map(([, code]) => code ?? '')
    this.#codes = new Set([...codes, ...gatewayCodes, ...authCodes])
  }

  /** Counts an answer by its status and, of a refusal, its code. */
  count(part: Part, { status, headers }: Pick<Response, 'status' | 'headers'>, body: string): void {
    const code = status < 400 ? '' : codeIn(body)
    this.#add(`${part} ${status} ${code}`.trim())
    if (status >= 400 && !this.#isDocumented(part, status, code, body)) {
      this.undocumented.push(`${part} ${status} ${code}: ${body.slice(0, 300)}`)
    }
    if ([429, 503, 504].includes(status) && !headers.has('retry-after')) {
      this.undocumented.push(`${part} ${status} ${code} does not say when to come back`)
    }
  }

  /** Counts what came instead of an answer. */
  countLoss(part: Part, what: string, isExpected: boolean): void {
    this.#add(`${part} ${what}`)
    if (!isExpected) this.undocumented.push(`${part} ${what}`)
  }

  /** Looks for texts of other organizations, and for words of the provider's own. */
  inspect(own: string, body: string, from: string): void {
    for (const marker of markersIn(body)) {
      if (marker !== own) this.foreign.push(`${own} was sent ${marker} by ${from}`)
    }
    if (body.includes(hidden)) this.foreign.push(`${own} was sent words of the provider by ${from}`)
  }

  #add(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
  }

  #isDocumented(part: Part, status: number, code: string, body: string): boolean {
    if (code === 'internal_error') return false
    if (this.#codes.has(code)) return true
    if (part !== 'rest') return false
    const { message = '' } = parse(body) as { message?: string }
    if (this.#codes.has(message)) return true
    // PostgREST's own table of statuses; a 500 is none that a client should ever see.
    return (
      /^[0-9A-Z]{5}$/.test(code) && status < 504 && status !== 500 && fits(status, code, message)
    )
  }
}

function fits(status: number, code: string, message: string): boolean {
  if (code === '42501') return status === 401 || status === 403
  if (code.startsWith('PT')) return status === Number(code.slice(2))
  return status === statusOf(code, message)
}

/** The code of an error of the functions, of PostgREST or of Auth. */
export function codeIn(body: string): string {
  const { error, error_code, code } = parse(body) as Record<'error_code' | 'code', unknown> & {
    error?: { code?: unknown }
  }
  const known = [error?.code, error_code, code].find((value) => typeof value === 'string')
  return typeof known === 'string' ? known : 'without a code'
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body) ?? {}
  } catch {
    return {} // Counted as an answer without a code.
  }
}
