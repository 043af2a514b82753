import { describe, expect, it } from 'vitest'
import { startWorker } from '../../support/oauth/app.ts'
import {
  authorize,
  beginConnection,
  follow,
  pathOf,
  redirectTo,
} from '../../support/oauth/connect.ts'
import { useAuthorization } from '../../support/oauth/authorization.ts'

const made = useAuthorization()
const { sql } = made

/** Opens the callback with changed parameters. @returns the parameters the client's page gets */
async function openWith(change: (callback: URL) => void): Promise<Record<string, string>> {
  const callback = await made.issuersAnswer()
  change(callback)
  return Object.fromEntries((await follow(made.worker, callback)).searchParams)
}

describe('the callback', () => {
  it('redirects by 303 and leaves no trace in caches and referrers', async () => {
    const callback = await made.issuersAnswer()
    const response = await made.worker.call(null, 'GET', pathOf(made.worker, callback))
    expect(response.status).toBe(303)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('referrer-policy')).toBe('no-referrer')
    expect(await response.text()).toBe('')
    const location = new URL(response.headers.get('location') ?? '')
    expect(`${location.origin}${location.pathname}`).toBe(redirectTo)
    expect(location.href).not.toContain(callback.searchParams.get('code'))
  })

  it('goes where the authorization was begun for, whatever the request says it is', async () => {
    const callback = await made.issuersAnswer()
    const response = await made.worker.app.request(`/oauth${pathOf(made.worker, callback)}`, {
      headers: {
        host: 'evil.example',
        'x-forwarded-host': 'evil.example',
        forwarded: 'host=evil.example',
      },
    })
    expect(response.headers.get('location')).toMatch(
      /^http:\/\/127\.0\.0\.1:3000\/connected\?connection=/,
    )
  })

  it.each<[string, (callback: URL) => void]>([
    ['an unknown state', (url) => url.searchParams.set('state', 'x'.repeat(43))],
    ['a malformed state', (url) => url.searchParams.set('state', "' or 1=1 --")],
    ['an endless state', (url) => url.searchParams.set('state', 'x'.repeat(50_000))],
    ['no state', (url) => url.searchParams.delete('state')],
    ['no code', (url) => url.searchParams.delete('code')],
    ['an endless code', (url) => url.searchParams.set('code', 'x'.repeat(5_000))],
    ['a second code', (url) => url.searchParams.append('code', 'other')],
    ['a second state', (url) => url.searchParams.append('state', 'other')],
    ['a second issuer', (url) => url.searchParams.append('iss', 'https://other.example')],
  ])('with %s is invalid_state, and no token is asked for', async (_, change) => {
    const answer = await openWith(change)
    expect(answer).toEqual({ error: 'invalid_state' })
    expect(made.servers.issuer.tokenRequests).toEqual([])
  })

  it('opened again is invalid_state, and the first one can still be finished', async () => {
    const callback = await made.issuersAnswer()
    const first = await follow(made.worker, callback)
    const second = await follow(made.worker, callback)
    expect(Object.fromEntries(second.searchParams)).toEqual({ error: 'invalid_state' })
    const connection = first.searchParams.get('connection')
    const finished = await made.worker.call(made.ann, 'POST', '/connections/finish', { connection })
    expect(finished.status).toBe(201)
  })

  it('opened fifty times at once gives one handle', async () => {
    const callback = await made.issuersAnswer()
    const pages = await Promise.all(Array.from({ length: 50 }, () => follow(made.worker, callback)))
    expect(pages.filter((page) => page.searchParams.has('connection'))).toHaveLength(1)
    expect(pages.filter((page) => page.searchParams.get('error') === 'invalid_state')).toHaveLength(
      49,
    )
  })

  it('after ten minutes is invalid_state', async () => {
    const callback = await made.issuersAnswer()
    await sql`update public.oauth_states set expires_at = clock_timestamp() where organization_id = ${made.ann.organization.id}`
    expect((await follow(made.worker, callback)).search).toBe('?error=invalid_state')
  })

  it.each([
    ['access_denied', 'access_denied'],
    ['invalid_scope', 'invalid_scope'],
    ['server_error', 'authorization_server_error'],
    ['temporarily_unavailable', 'authorization_server_error'],
    ['unauthorized_client', 'authorization_failed'],
    ['<script>alert(1)</script>', 'authorization_failed'],
    ['constructor', 'authorization_failed'],
  ])('passes the error %s on as %s, and never its text', async (error, code) => {
    const answer = await openWith((url) => {
      url.searchParams.delete('code')
      url.searchParams.set('error', error)
      url.searchParams.set('error_description', '<b>call 0900-SCAM</b>')
      url.searchParams.set('error_uri', 'https://evil.example/')
    })
    expect(answer).toEqual({ error: code })
    expect(made.servers.issuer.tokenRequests).toEqual([])
  })

  it.each<[string, (callback: URL) => void]>([
    ['another issuer', (url) => url.searchParams.set('iss', 'https://evil.example')],
    [
      'its issuer with a slash',
      (url) => url.searchParams.set('iss', `${url.searchParams.get('iss')}/`),
    ],
    ['no issuer, though it was promised', (url) => url.searchParams.delete('iss')],
    [
      'another issuer and an error of its own',
      (url) => {
        url.searchParams.set('iss', 'https://evil.example')
        url.searchParams.set('error', 'access_denied')
      },
    ],
  ])('with %s is issuer_mismatch, and the authorization is over', async (_, change) => {
    const callback = await made.issuersAnswer()
    const good = callback.search
    change(callback)
    expect((await follow(made.worker, callback)).search).toBe('?error=issuer_mismatch')
    callback.search = good
    expect((await follow(made.worker, callback)).search).toBe('?error=invalid_state')
    expect(made.servers.issuer.tokenRequests).toEqual([])
  })

  it.each<[string, (path: string) => string]>([
    ['at the callback itself', (path) => path.replace(/\/[^/]+$/, '')],
    ["at another issuer's address", (path) => path.replace(/[^/]+$/, 'f'.repeat(64))],
    [
      'at its address in other letters',
      (path) => path.replace(/[^/]+$/, (own) => own.toUpperCase()),
    ],
  ])('%s is invalid_state, and the authorization is over', async (_, change) => {
    const callback = await made.issuersAnswer()
    const good = callback.pathname
    callback.pathname = change(good)
    expect((await follow(made.worker, callback)).search).toBe('?error=invalid_state')
    callback.pathname = good
    expect((await follow(made.worker, callback)).search).toBe('?error=invalid_state')
    expect(made.servers.issuer.tokenRequests).toEqual([])
  })

  it('never leads past the list of addresses, also when the list has changed since', async () => {
    const callback = await made.issuersAnswer()
    const other = await startWorker({ OAUTH_REDIRECT_ALLOW_LIST: 'https://app.example/done' })
    const page = await follow(other, callback)
    expect(`${page.origin}${page.pathname}`).toBe('https://app.example/done')
  })

  it('leads to an app by its own scheme', async () => {
    const app = 'com.example.app:/connected'
    const mobile = await startWorker({ OAUTH_REDIRECT_ALLOW_LIST: `https://app.example,${app}` })
    const { authorizationUrl } = await beginConnection(
      mobile,
      made.ann,
      made.configurationId,
      `${app}?from=1`,
    )
    const page = await authorize(mobile, authorizationUrl)
    expect(page.href).toMatch(/^com\.example\.app:\/connected\?from=1&connection=[\w-]{43}$/)
  })
})
