/** What was checked of one invariant. */
export interface Finding {
  readonly name: string
  /** How many things were looked at, in words. */
  readonly checked: string
  /** Each thing that does not hold. */
  readonly wrong: readonly string[]
}

/** At most so many of what is wrong are printed. */
export const shown = 8
