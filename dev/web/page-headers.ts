/**
 * The headers of the page. Nothing runs as script but the page's own files, and no picture, style or
 * frame comes from elsewhere: an answer cannot send anything out by the address of a picture.
 *
 * @param backend the project's address, where it is not the page's own origin
 */
export function pageHeaders(backend?: string): Record<string, string> {
  const elsewhere = backend === undefined ? [] : [new URL(backend).origin]
  const sockets = elsewhere.map((origin) => origin.replace(/^http/, 'ws'))
  const policy = {
    'default-src': ["'none'"],
    'script-src': ["'self'"],
    'style-src': ["'self'"],
    'img-src': ["'self'", 'data:', 'blob:', ...elsewhere],
    'connect-src': ["'self'", ...elsewhere, ...sockets],
    'base-uri': ["'none'"],
    'form-action': ["'none'"],
    'frame-ancestors': ["'none'"],
    'require-trusted-types-for': ["'script'"],
    // Of the policy `default`, which web/keep-policy.ts makes; no second one can be made.
    'trusted-types': ['default'],
  }
  return {
    'content-security-policy': Object.entries(policy)
      .map(([directive, values]) => [directive, ...values].join(' '))
      .join('; '),
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
    // A browser may look up the hosts of links before anyone follows them.
    'x-dns-prefetch-control': 'off',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  }
}

/** The headers of what is no page: a browser that opens it as one runs nothing of it. */
export const apiHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'x-content-type-options': 'nosniff',
}
