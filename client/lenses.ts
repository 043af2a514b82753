/** The body of `POST /agents/lenses/:id/runs`: exactly one of `block_id` and `project_id`. */
export interface LensRunRequest {
  readonly block_id?: number
  readonly project_id?: number
  /** Only blocks whose result is stale; those without a result are left out. */
  readonly only?: 'stale'
  readonly version?: number
  readonly agent?: string
  readonly model?: string
}

/** How far a run of a lens is. */
export interface LensRun {
  readonly id: number
  readonly lens_id: number
  readonly version: number
  readonly project_id: number
  readonly status: 'running' | 'done' | 'cancelled'
  readonly blocks: number
  readonly done: number
  readonly failed: number
  readonly cancelled: number
  readonly remaining: number
  /** US dollars so far; null when a price is unknown. */
  readonly cost_usd: number | null
  /** Why it stopped before its end, for example a budget. It goes on with `continueLensRun`. */
  readonly stopped?: { readonly code: string; readonly message: string }
}
