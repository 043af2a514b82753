import { randomUUID } from 'node:crypto'

export interface ConformancePerson {
  readonly id: string
  readonly organizationId: number
  readonly accessToken: string
  /** @returns the configuration's id */
  addConfiguration(row: Record<string, unknown>): Promise<number>
}

/** Signs a person up who owns a new organization, by plain requests. */
export async function newPerson({
  url,
  publishableKey,
}: {
  url: string
  publishableKey: string
}): Promise<ConformancePerson> {
  const post = async (path: string, token: string | null, body: unknown, prefer = '') => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: {
        apikey: publishableKey,
        'content-type': 'application/json',
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...(prefer !== '' && { prefer }),
      },
      body: JSON.stringify(body),
    })
    const answer: unknown = await response.json()
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`)
    return answer
  }
  interface Session {
    access_token: string
    refresh_token: string
    user: { id: string }
  }
  const credentials = { email: `person-${randomUUID()}@example.com`, password: randomUUID() }
  const first = (await post('/auth/v1/signup', null, credentials)) as Session
  const organization = (await post('/rest/v1/rpc/create_organization', first.access_token, {
    name: 'conformance',
    slug: `conformance-${randomUUID().slice(0, 18)}`,
  })) as { id: number }
  const { access_token: accessToken, user } = (await post(
    '/auth/v1/token?grant_type=refresh_token',
    null,
    {
      refresh_token: first.refresh_token,
    },
  )) as Session
  return {
    id: user.id,
    organizationId: organization.id,
    accessToken,
    async addConfiguration(row) {
      const path = '/rest/v1/mcp_configurations?select=id'
      const rows = await post(path, accessToken, row, 'return=representation')
      return (rows as [{ id: number }])[0].id
    },
  }
}
