import type { Log } from '../log/log.ts'

/** Takes the problem of a variable: the text names the variable, never its value. */
export type ReportProblem = (problem: string) => void

/** Logs a variable that cannot be used, once, when the function starts. */
export function createProblemReport(log: Log): ReportProblem {
  return (detail) => log({ level: 'error', event: 'variable_unusable', detail })
}
