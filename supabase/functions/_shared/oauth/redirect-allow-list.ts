import { AppError, notConfigured } from '../errors.ts'

/** Addresses of clients that a browser may be sent to after an authorization. */
export interface RedirectAllowList {
  /** Gets what belongs to no authorization. */
  readonly fallback: string
  /**
   * Checks the address to which a client wants its user to return.
   * @throws AppError `invalid_request` for path `redirect_to`
   */
  check(redirectTo: string): string
  allows(redirectTo: string): boolean
}

const variable = 'OAUTH_REDIRECT_ALLOW_LIST'
// A browser would run or show these instead of handing them to a client.
const forbiddenSchemes = new Set(
  ['javascript', 'data', 'blob', 'file', 'about', 'vbscript', 'view-source', 'filesystem'].map(
    (scheme) => `${scheme}:`,
  ),
)

/**
 * Reads a list of URLs separated by commas. One without a path allows its whole origin; any other,
 * and every custom scheme (RFC 8252, section 7.1), allows exactly itself, with any query.
 * @throws Error when it is missing or an entry is invalid
 */
export function readRedirectAllowList(text: string | undefined): RedirectAllowList {
  const entries = (text ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  const [fallback] = entries
  if (fallback === undefined) {
    throw new Error(`${variable} is not set: it says where a browser may be sent`)
  }
  const allowed = entries.map(readEntry)
  const allows = (redirectTo: string) => {
    const url = parse(redirectTo)
    return url !== null && allowed.some((entry) => matches(url, entry))
  }
  return {
    fallback,
    allows,
    check(redirectTo) {
      if (allows(redirectTo)) return redirectTo
      throw new AppError('invalid_request', {
        message: 'redirect_to is not an address that browsers may be sent to.',
        path: 'redirect_to',
      })
    },
  }
}

/**
 * The list. A missing or wrong one is reported, and each use of it is refused.
 * @param report gets what is wrong
 */
export function openRedirectAllowList(
  text: string | undefined,
  report: (problem: string) => void,
): RedirectAllowList {
  try {
    return readRedirectAllowList(text)
  } catch (error) {
    const problem = error instanceof Error ? error.message : variable
    report(problem)
    const refuse = () => {
      throw notConfigured(problem)
    }
    return {
      get fallback(): never {
        return refuse()
      },
      check: refuse,
      allows: refuse,
    }
  }
}

/** The address with one parameter set; other parameters stay. */
export function withParameter(redirectTo: string, name: string, value: string): string {
  const url = new URL(redirectTo)
  for (const reserved of ['connection', 'error']) url.searchParams.delete(reserved)
  url.searchParams.set(name, value)
  return url.href
}

function readEntry(text: string): URL {
  const url = parse(text)
  if (url === null || url.search !== '')
    throw new Error(`${variable}: ${text} is not a valid entry`)
  return url
}

function parse(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || forbiddenSchemes.has(url.protocol)) return null
  // Parsers disagree about backslashes and blanks, and this check uses only our parser.
  if (url.username !== '' || url.password !== '' || /[#\\\s]/.test(text)) return null
  // http only to this machine, where a native client may listen (RFC 8252, section 7.3).
  const loopback = /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)
  return url.protocol === 'http:' && !loopback ? null : url
}

function matches(url: URL, entry: URL): boolean {
  if (url.protocol !== entry.protocol || url.host !== entry.host) return false
  const isWeb = entry.protocol === 'https:' || entry.protocol === 'http:'
  return (isWeb && entry.pathname === '/') || url.pathname === entry.pathname
}
