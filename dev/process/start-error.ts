/**
 * A start-up failure that the developer can correct: `message` is one line that says what is wrong
 * and what to do. `npm start` prints it without a stack trace and exits non-zero.
 */
export class StartError extends Error {
  override name = 'StartError'
}

/** The `code` of a Node.js or PostgreSQL error (`EADDRINUSE`, `42501`), if it has one. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** The first line of an error's message, for messages that must stay on one line. */
export function firstLine(error: unknown): string {
  if (error instanceof AggregateError && error.message === '' && error.errors.length > 0) {
    return firstLine(error.errors[0])
  }
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n', 1)[0] ?? message
}
