const MARK = 'colloquy-embedded'

/**
 * The address of the embedded database in the form that .env.local has: marked, so that a shell
 * which has read that file does not make the next start take it for a database of the developer's.
 */
export function markEmbedded(url: string): string {
  const marked = new URL(url)
  marked.searchParams.set('application_name', MARK)
  return marked.href
}

/** The database that DATABASE_URL names, unless it is an embedded one or none. */
export function externalDatabase(variable: string | undefined): string | undefined {
  if (!variable || isEmbedded(variable)) return undefined
  return variable
}

function isEmbedded(url: string): boolean {
  return URL.canParse(url) && new URL(url).searchParams.get('application_name') === MARK
}
