/** What a 401 or 403 says of the Bearer scheme (RFC 6750, section 3; RFC 9728, section 5.1). */
export interface Challenge {
  readonly resourceMetadataUrl: URL | undefined
  readonly scope: string | undefined
  readonly error: string | undefined
}

/**
 * One item of the header: a scheme with or without its first parameter, or a parameter. Some servers write
 * a blank or a semicolon between parameters.
 */
const item =
  /(?:^\s*|\s*[,;]\s*|\s+)(?:(?:([!#$%&'*+.^_`|~\w-]+)\s+)?([!#$%&'*+.^_`|~\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]*))|[^\s,;"]*)/gy
const longest = 16 * 1024

/** Reads the Bearer challenge among all that a server makes (RFC 9110, section 11.6.1). */
export function readChallenge(headers: Headers): Challenge {
  const text = (headers.get('www-authenticate') ?? '').slice(0, longest)
  const parameters = new Map<string, string>()
  let scheme = ''
  for (const [, begun, name, quoted, plain] of text.matchAll(item)) {
    if (begun !== undefined) scheme = begun.toLowerCase()
    if (scheme !== 'bearer' || name === undefined) continue
    const key = name.toLowerCase()
    // Of several Bearer challenges the first says what counts.
    if (!parameters.has(key)) parameters.set(key, quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '')
  }
  return {
    resourceMetadataUrl: urlOf(parameters.get('resource_metadata')),
    scope: parameters.get('scope') || undefined,
    error: parameters.get('error') || undefined,
  }
}

function urlOf(text: string | undefined): URL | undefined {
  return text !== undefined && URL.canParse(text) ? new URL(text) : undefined
}
