/**
 * What a person's browser does with an authorization URL: follows redirects inside the authorization
 * server, with its cookies, until it is sent elsewhere.
 * @returns the first address outside the server
 */
export async function browse(authorizationUrl: string): Promise<URL> {
  const cookies = new Map<string, string>()
  const { origin } = new URL(authorizationUrl)
  let url = new URL(authorizationUrl)
  for (let hops = 0; hops < 10; hops += 1) {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      cookies.set(name, value)
    }
    const location = response.headers.get('location')
    if (location === null) {
      throw new Error(
        `the authorization server stopped: ${response.status} ${await response.text()}`,
      )
    }
    await response.body?.cancel()
    url = new URL(location, url)
    if (url.origin !== origin) return url
  }
  throw new Error('the authorization server redirects for ever')
}
