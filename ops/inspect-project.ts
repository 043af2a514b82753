export interface Finding {
  readonly check: string
  readonly state: 'ok' | 'failed' | 'unknown'
  /** Why, where it is not `ok`. */
  readonly details: readonly string[]
}

const functions = ['agents', 'oauth', 'session-cleanup']
const schemas = ['public', 'client_mgmt', 'conversation']
const hidden = ['private', 'auth']
const patience = 20_000

/** Tries what a client of the project meets, with its publishable key. Writes nothing. */
export async function inspectProject(url: string, publishableKey: string): Promise<Finding[]> {
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${url}${path}`, {
      headers: { apikey: publishableKey, ...headers },
      signal: AbortSignal.timeout(patience),
    })
    const text = await response.text()
    return { status: response.status, text }
  }
  const attempt = async (check: string, why: () => Promise<string | null>): Promise<Finding> => {
    try {
      const reason = await why()
      return {
        check,
        state: reason === null ? 'ok' : 'failed',
        details: reason === null ? [] : [reason],
      }
    } catch (error) {
      return {
        check,
        state: 'failed',
        details: [error instanceof Error ? error.message : String(error)],
      }
    }
  }
  const isExposed = async (schema: string) => {
    const { status, text } = await get('/rest/v1/none', { 'accept-profile': schema })
    // PostgREST looks for the schema first, then for the table.
    if (text.includes('"PGRST205"')) return true
    if (text.includes('"PGRST106"')) return false
    throw new Error(`REST answered ${status}`)
  }
  return Promise.all([
    ...functions.map((name) =>
      attempt(`function ${name} answers`, async () => {
        const { status, text } = await get(`/functions/v1/${name}/health`)
        return status === 200 && text === '{"status":"ok"}' ? null : `status ${status}`
      }),
    ),
    ...schemas.map((schema) =>
      attempt(`schema ${schema} is exposed`, async () =>
        (await isExposed(schema)) ? null : 'add it to the exposed schemas',
      ),
    ),
    ...hidden.map((schema) =>
      attempt(`schema ${schema} is not exposed`, async () =>
        (await isExposed(schema)) ? 'take it off the exposed schemas' : null,
      ),
    ),
    attempt('a visitor reads no table', async () => {
      const { status } = await get('/rest/v1/organizations?select=id&limit=1')
      return status === 401 || status === 403 ? null : `status ${status}`
    }),
  ])
}

const firstSafeImage = [17, 6, 1, 155] as const

/** The image of a hosted project, which only the management API knows. */
export function inspectImage(version: string): Finding {
  const check = `image ${version} is 17.6.1.155 or newer`
  const parts = version.split('.').map(Number)
  const isKnown = parts.length === firstSafeImage.length && parts.every(Number.isInteger)
  if (!isKnown) return { check, state: 'unknown', details: ['the version has another form'] }
  const at = firstSafeImage.findIndex((part, index) => part !== parts[index])
  const isSafe = at === -1 || (parts[at] ?? 0) > (firstSafeImage[at] ?? 0)
  const details = ['https://github.com/supabase/supautils/issues/196: upgrade the project']
  return { check, state: isSafe ? 'ok' : 'failed', details: isSafe ? [] : details }
}
