import { attempt, type Finding } from './finding.ts'

const functions = ['agents', 'oauth', 'session-cleanup']
const refusing = [
  ['agents', '/invoke'],
  ['oauth', '/connections'],
] as const
const schemas = ['public', 'client_mgmt', 'conversation']
const hidden = ['private', 'auth']
const patience = 20_000

/** Tries what a client of the project meets, with its publishable key. Writes nothing. */
export async function inspectProject(url: string, publishableKey: string): Promise<Finding[]> {
  const ask = async (method: string, path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { apikey: publishableKey, ...headers },
      signal: AbortSignal.timeout(patience),
    })
    const text = await response.text()
    return { status: response.status, text }
  }
  const isExposed = async (schema: string) => {
    const { status, text } = await ask('GET', '/rest/v1/none', { 'accept-profile': schema })
    // PostgREST looks for the schema first, then for the table.
    if (text.includes('"PGRST205"')) return true
    if (text.includes('"PGRST106"')) return false
    throw new Error(`REST answered ${status}`)
  }
  return Promise.all([
    ...functions.map((name) =>
      attempt(`function ${name} answers`, async () => {
        const { status, text } = await ask('GET', `/functions/v1/${name}/health`)
        return status === 200 && text === '{"status":"ok"}' ? [] : [`status ${status}`]
      }),
    ),
    // health answers with every variable broken. A request with a bad token reads what the function needs to
    // tell a good one, and is refused before it does anything.
    ...refusing.map(([name, path]) =>
      attempt(`function ${name} knows whom to refuse`, async () => {
        const bad = { authorization: 'Bearer none' }
        const { status, text } = await ask('POST', `/functions/v1/${name}${path}`, bad)
        return status === 401 && text.includes('"unauthorized"')
          ? []
          : [`status ${status}: ${text}`]
      }),
    ),
    ...schemas.map((schema) =>
      attempt(`schema ${schema} is exposed`, async () =>
        (await isExposed(schema)) ? [] : ['add it to the exposed schemas'],
      ),
    ),
    ...hidden.map((schema) =>
      attempt(`schema ${schema} is not exposed`, async () =>
        (await isExposed(schema)) ? ['take it off the exposed schemas'] : [],
      ),
    ),
    attempt('a visitor reads no table', async () => {
      const { status } = await ask('GET', '/rest/v1/organizations?select=id&limit=1')
      return status === 401 || status === 403 ? [] : [`status ${status}`]
    }),
  ])
}
