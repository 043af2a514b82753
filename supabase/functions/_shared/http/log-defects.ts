import { errorStack, type Log } from '../log/log.ts'

/**
 * Logs an error that no code handles, and keeps the worker alive: Deno would end the process and
 * with it the streams of all other requests. Each such line is a defect.
 */
export function logDefects(target: Pick<EventTarget, 'addEventListener'>, log: Log): void {
  const report = (event: Event, thrown: unknown) => {
    event.preventDefault()
    log({ level: 'error', event: 'unhandled_error', detail: errorStack(thrown) })
  }
  target.addEventListener('unhandledrejection', (event) =>
    report(event, (event as PromiseRejectionEvent).reason),
  )
  target.addEventListener('error', (event) => report(event, (event as ErrorEvent).error))
}
