import { AppError } from '../errors.ts'
import { ModelError } from '../models/model-error.ts'
import type { TakeEvents } from '../models/model-protocol.ts'
import { type Clock, sleep } from '../time.ts'
import type { RouteStep } from './execution.ts'

/** How often a call may be repeated while nothing of its answer has been seen. */
export interface RetryPolicy {
  /** Calls of one request, over all steps of its route. */
  readonly attempts: number
  /** Calls of one step before the next one is tried. */
  readonly attemptsPerStep: number
  /** Upper bound in milliseconds of the first pause; it doubles with every later one. */
  readonly pause: number
  /** A provider that asks for a longer wait than this is left for the next step at once. */
  readonly longestPause: number
}

export const defaultRetryPolicy: RetryPolicy = {
  attempts: 4,
  attemptsPerStep: 2,
  pause: 400,
  longestPause: 5_000,
}

export interface RouteOptions {
  readonly policy: RetryPolicy
  readonly clock: Clock
  /** A number from 0 up to 1. */
  readonly random: () => number
  readonly signal: AbortSignal
  /** Takes the one probe of an open breaker; false when another worker has it. */
  readonly acquireProbe: (step: RouteStep) => Promise<boolean>
  /** Called before each call of a provider. */
  readonly onAttempt: (step: RouteStep) => void
  /** Called for each failure that another call follows. */
  readonly onRetry: (step: RouteStep, error: ModelError) => void
}

/** Calls one step, and hands out what it says. */
export type CallModel = (step: RouteStep, take: TakeEvents) => Promise<void>

/**
 * Answers along a route. Only this function repeats a call: after a provider's fault the same step
 * again (full jitter, at least the time of Retry-After), then, or after a fault of our account there,
 * the next step. It repeats nothing after the first batch, and not when the request itself was refused.
 * A step whose breaker is open is called once, by the worker that acquires its probe.
 * @throws ModelError of the last call, the signal's reason, AppError `circuit_open` when no probe
 *   was left, or `model_unavailable` for an empty route
 */
export async function callAlongRoute(
  route: readonly RouteStep[],
  call: CallModel,
  take: TakeEvents,
  { policy, clock, random, signal, acquireProbe, onAttempt, onRetry }: RouteOptions,
): Promise<void> {
  let attempts = 0
  let failure: { readonly step: RouteStep; readonly error: ModelError } | null = null
  for (const step of route) {
    if (attempts === policy.attempts) break
    if (step.probe && !(await acquireProbe(step))) continue
    const attemptsHere = step.probe ? 1 : policy.attemptsPerStep
    for (let tries = 1; tries <= attemptsHere; tries += 1) {
      if (failure) onRetry(failure.step, failure.error)
      attempts += 1
      onAttempt(step)
      let begun = false
      try {
        await call(step, (events) => {
          begun = true
          take(events)
        })
        return
      } catch (error) {
        if (begun || !mayGoOn(error)) throw error
        failure = { step, error }
        const pause = pauseAfter(error, tries, policy, random())
        if (pause === null || tries === attemptsHere || attempts === policy.attempts) break
        await sleep(clock, pause, signal)
        signal.throwIfAborted()
      }
    }
  }
  throw failure?.error ?? new AppError(route.length > 0 ? 'circuit_open' : 'model_unavailable')
}

function mayGoOn(error: unknown): error is ModelError {
  return error instanceof ModelError && !error.outputSeen && error.fault !== 'caller'
}

/** Milliseconds before the same step is called again; null when it should not be. */
export function pauseAfter(
  error: ModelError,
  tries: number,
  policy: RetryPolicy,
  random: number,
): number | null {
  if (!error.retryable) return null
  const asked = error.retryAfterMs ?? 0
  if (asked > policy.longestPause) return null
  const jitter = random * policy.pause * 2 ** (tries - 1)
  return Math.min(asked + jitter, policy.longestPause)
}
