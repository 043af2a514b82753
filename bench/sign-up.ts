import { randomUUID } from 'node:crypto'

/** Signs someone up who owns a new organization, and gives their access token. */
export async function signUpWithOrganization({
  url,
  publishableKey,
}: {
  url: string
  publishableKey: string
}): Promise<string> {
  const post = async (path: string, body: object, token = publishableKey): Promise<unknown> => {
    const headers = {
      apikey: publishableKey,
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
    }
    const response = await fetch(url + path, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }
  interface Session {
    access_token: string
    refresh_token: string
  }
  const credentials = { email: `${randomUUID()}@example.com`, password: randomUUID() }
  const first = (await post('/auth/v1/signup', credentials)) as Session
  const organization = { name: 'Bench', slug: `bench-${randomUUID().slice(0, 8)}` }
  await post('/rest/v1/rpc/create_organization', organization, first.access_token)
  const { refresh_token } = first
  const second = await post('/auth/v1/token?grant_type=refresh_token', { refresh_token })
  return (second as Session).access_token
}
