import { firstLine } from '../dev/process/start-error.ts'

export interface Finding {
  readonly check: string
  readonly state: 'ok' | 'failed' | 'unknown'
  /** Why, where it is not `ok`. */
  readonly details: readonly string[]
}

/** What a look gives when it cannot tell. */
export class Unknown {
  constructor(readonly details: readonly string[]) {}
}

/** A look gives the faults that it found. One that fails is a finding too, and the others stay. */
export async function attempt(
  check: string,
  look: () => Promise<readonly string[] | Unknown>,
): Promise<Finding> {
  try {
    const found = await look()
    if (found instanceof Unknown) return { check, state: 'unknown', details: found.details }
    return { check, state: found.length === 0 ? 'ok' : 'failed', details: found }
  } catch (error) {
    return { check, state: 'failed', details: [firstLine(error)] }
  }
}
