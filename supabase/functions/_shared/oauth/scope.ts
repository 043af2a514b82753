import { computeScopeUnion } from '@modelcontextprotocol/client'
import { AppError } from '../errors.ts'

const longest = 4096

export interface ScopeSources {
  /** What the server's challenge or metadata asks for. */
  readonly asked: string | null
  /** What the connection was granted before. */
  readonly granted: string | null
  /** The scopes that the server asked for later (step-up). */
  readonly required: string | null
  /** The issuer's `scopes_supported`. */
  readonly supported: readonly string[] | undefined
}

/**
 * The scopes to request: the present ones together with the granted and the earlier requested ones,
 * so that a step-up loses nothing; and `offline_access`, when the issuer has it, for a refresh
 * token.
 * @returns undefined for no `scope` parameter
 * @throws AppError `authorization_not_supported` when there are too many to ask for
 */
export function scopeToRequest(sources: ScopeSources): string | undefined {
  const { asked, granted, required, supported } = sources
  const union = computeScopeUnion(...[asked, granted, required].map((scope) => scope ?? undefined))
  if (union !== undefined && union.length > longest) {
    throw new AppError('authorization_not_supported', { cause: 'more scopes than a URL can carry' })
  }
  if (union === undefined || supported?.includes('offline_access') !== true) return union
  return computeScopeUnion(union, 'offline_access')
}
