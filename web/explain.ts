/** What an error may say of itself: of supabase-js, of its Auth, of the package `colloquy/client`. */
interface Told {
  readonly code?: unknown
  readonly message?: unknown
  readonly details?: unknown
}

/** Sentences for what Auth and REST say in their own words. */
const known: Readonly<Record<string, string>> = {
  PGRST116: 'It is gone, or you may not change it. Reload the page to see what is there.',
  email_exists: 'This e-mail address has an account already. Sign in instead.',
  email_not_confirmed: 'Confirm your e-mail address first: open the link that was sent to you.',
  invalid_credentials: 'The e-mail address or the password is wrong. Correct it and try again.',
  over_request_rate_limit: 'There were too many attempts. Wait a minute and try again.',
  user_already_exists: 'This e-mail address has an account already. Sign in instead.',
  weak_password: 'The password is too weak. Choose a longer one.',
}

const unreachable = /failed to fetch|load failed|network ?error|fetch failed/i

/** An error as a sentence for the person: what happened, and what to do. */
export function explain(error: unknown): string {
  const { code, message, details } = (typeof error === 'object' && error ? error : {}) as Told
  const text = typeof message === 'string' ? message : String(error)
  if (unreachable.test(text)) {
    return 'The server cannot be reached. Check your connection and try again.'
  }
  if (typeof code === 'string' && known[code]) return known[code]
  // REST gives our code as the message, and our sentence as the details.
  return typeof details === 'string' && /^[a-z][a-z0-9_]*$/.test(text) ? details : text
}
