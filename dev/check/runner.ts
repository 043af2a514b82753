/** The result of a step. `skipped` names what the step lacks, and how to get it. */
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
  /** How many steps may run side by side. */
  atOnce: number
}

export const passed: Outcome = { kind: 'passed' }

/** `failed` with the given lines, or `passed` when there are none. */
export function outcomeOf(problems: readonly string[]): Outcome {
  return problems.length === 0 ? passed : { kind: 'failed', output: problems.join('\n') }
}

/**
 * Runs steps side by side, in the given order; each runs to its end, also after a failure of
 * another. Logs a line when a step begins, and a line with its time when it ends. The output of a
 * failed step follows its line at once, so that outputs do not mix.
 * @returns whether all passed; skipped steps count as failures only when `strict`
 */
export async function runSteps(steps: readonly Step[], options: RunOptions): Promise<boolean> {
  const waiting = steps.values()
  const start = options.now()
  let ok = true
  const work = async (): Promise<void> => {
    // The workers share one iterator: each step goes to the worker that is free first.
    for (const step of waiting) {
      const good = await runStep(step, options)
      ok &&= good
    }
  }
  await Promise.all(Array.from({ length: options.atOnce }, work))
  options.log(line(ok ? 'ok' : 'FAILED', 'all steps', options.now() - start))
  return ok
}

async function runStep(step: Step, { log, now, strict }: RunOptions): Promise<boolean> {
  log(`begins   ${step.name}`)
  const start = now()
  const outcome = await step.run().catch(toFailure)
  const took = now() - start
  switch (outcome.kind) {
    case 'passed':
      log(line('ok', step.name, took, outcome.note))
      return true
    case 'skipped':
      log(line(strict ? 'FAILED' : 'not run', step.name, took, outcome.reason))
      return !strict
    case 'failed':
      log(line('FAILED', step.name, took))
      for (const text of outcome.output.trimEnd().split('\n')) log(`        ${text}`.trimEnd())
      return false
  }
}

function line(verdict: string, name: string, milliseconds: number, note = ''): string {
  const seconds = (milliseconds / 1000).toFixed(1).padStart(5)
  return `${verdict.padEnd(8)} ${name.padEnd(12)} ${seconds} s  ${note}`.trimEnd()
}

function toFailure(error: unknown): Outcome {
  const output = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { kind: 'failed', output }
}
