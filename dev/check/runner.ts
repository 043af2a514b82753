/** What a step found. `skipped` says what is missing for it to run, and how to get it. */
export type Outcome =
  | { kind: 'passed'; note?: string }
  | { kind: 'failed'; output: string }
  | { kind: 'skipped'; reason: string }

export interface Step {
  name: string
  run: () => Promise<Outcome>
}

export interface RunOptions {
  log: (line: string) => void
  /** Milliseconds from any fixed point. */
  now: () => number
  /** Counts a skipped step as a failure: on a CI machine nothing may be missing. */
  strict: boolean
}

export const passed: Outcome = { kind: 'passed' }

/** `failed` with the given lines, or `passed` when there are none. */
export function outcomeOf(problems: readonly string[]): Outcome {
  return problems.length === 0 ? passed : { kind: 'failed', output: problems.join('\n') }
}

/**
 * Runs steps one after the other, each to its end whatever the others gave, and logs one line per
 * step with its time and, below a failed one, its output.
 *
 * @returns whether all passed; skipped steps count as failures only when `strict`
 */
export async function runSteps(steps: readonly Step[], options: RunOptions): Promise<boolean> {
  const { log, now, strict } = options
  let ok = true
  for (const step of steps) {
    const start = now()
    const outcome = await step.run().catch(toFailure)
    const seconds = ((now() - start) / 1000).toFixed(1)
    const report = (verdict: string, note = ''): void => {
      log(
        `${verdict.padEnd(8)} ${step.name.padEnd(12)} ${seconds.padStart(5)} s  ${note}`.trimEnd(),
      )
    }
    switch (outcome.kind) {
      case 'passed':
        report('ok', outcome.note)
        break
      case 'skipped':
        ok &&= !strict
        report(strict ? 'FAILED' : 'not run', outcome.reason)
        break
      case 'failed':
        ok = false
        report('FAILED')
        for (const line of outcome.output.trimEnd().split('\n')) log(`        ${line}`.trimEnd())
    }
  }
  return ok
}

function toFailure(error: unknown): Outcome {
  const output = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { kind: 'failed', output }
}
