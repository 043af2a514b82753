/** The body of `POST /agents/search`. `docs/search.md` describes the fields. */
export interface SearchRequest {
  readonly query: string
  /** Absent: both where the organization makes vectors, else words. */
  readonly mode?: 'words' | 'meaning' | 'both'
  readonly kinds?: readonly SearchKind[]
  readonly project_id?: number
  readonly user_id?: string
  readonly since?: string
  readonly until?: string
  readonly limit?: number
  /** The cursor of the last row of the page before; with the mode `words` only. */
  readonly after?: string
}

export type SearchKind = 'message' | 'turn' | 'result'

export interface SearchAnswer {
  readonly mode: 'words' | 'meaning' | 'both'
  /** agent/model that made the vector of the query; null without one. */
  readonly model: string | null
  readonly results: readonly SearchResult[]
}

/** Something that was found. */
export interface SearchResult {
  readonly kind: SearchKind
  readonly id: string
  readonly session_id: string | null
  readonly block_id: number | null
  readonly project_id: number | null
  readonly user_id: string | null
  readonly said_at: string
  readonly score: number
  readonly snippet: string
  /** Where the snippet begins in the text, in characters. */
  readonly starts_at: number
  /** [start, length] of each word found, in the characters of the snippet. */
  readonly highlights: readonly (readonly [number, number])[]
  readonly cursor: string | null
}
