const FIRST_MS = 250
const LONGEST_MS = 10_000
const RAN_WELL_MS = 30_000

/**
 * The pauses before a part that ended is started again: each twice the one before, ten seconds at
 * most. They begin anew after the part ran well for half a minute.
 *
 * @returns the next pause, given how long the part ran
 */
export function growingPause(): (ranForMs: number) => number {
  let next = FIRST_MS
  return (ranForMs) => {
    if (ranForMs > RAN_WELL_MS) next = FIRST_MS
    const pause = next
    next = Math.min(next * 2, LONGEST_MS)
    return pause
  }
}
