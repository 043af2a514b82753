import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  readRedirectAllowList,
  withParameter,
} from '../../../supabase/functions/_shared/oauth/redirect-allow-list.ts'

const list = readRedirectAllowList(
  'https://app.example, https://other.example/done,com.example.app:/connected,myapp://callback,http://localhost:3000',
)

describe('the list of addresses that a browser may be sent to', () => {
  it.each([
    'https://app.example/',
    'https://app.example/any/path?with=query',
    'https://APP.example:443/x',
    'https://other.example/done',
    'https://other.example/done?a=1',
    'com.example.app:/connected',
    'com.example.app:/connected?a=1',
    'myapp://callback',
    'http://localhost:3000/x',
  ])('allows %s', (url) => {
    expect(list.check(url)).toBe(url)
  })

  it.each([
    'http://app.example/',
    'https://app.example:8443/',
    'https://app.example.evil.test/',
    'https://evil.test/https://app.example',
    'https://app.example@evil.test/',
    'https://user@app.example/',
    'https://app.example/#fragment',
    'https://app.example\\@evil.test/',
    'https://other.example/',
    'https://other.example/done/deeper',
    'https://other.example/done/../x',
    'com.example.app:/other',
    'com.example.app2:/connected',
    'myapp://other',
    'myapp://callback/deeper',
    'http://localhost:3001/',
    'javascript:alert(1)',
    'data:text/html,x',
    '',
    'app.example',
  ])('refuses %s', (url) => {
    expect(list.allows(url)).toBe(false)
    expect(() => list.check(url)).toThrow('redirect_to')
  })

  it('allows no host but those it has, whatever the text', () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true }), (url) => {
        expect(list.allows(url)).toBe(false)
      }),
    )
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        const text = `${before}app.example${after}`
        if (list.allows(text)) expect(new URL(text).host).toMatch(/^(app\.example|localhost:3000)$/)
      }),
    )
  })

  it.each([undefined, '', ' , '])('must have an entry (%j)', (text) => {
    expect(() => readRedirectAllowList(text)).toThrow(/^OAUTH_REDIRECT_ALLOW_LIST is not set/)
  })

  it.each([
    'javascript:alert(1)',
    'http://app.example',
    'https://a.example/?x=1',
    'a.example',
    'https://u:p@a.example',
    '*',
  ])('is refused with %s', (entry) => {
    expect(() => readRedirectAllowList(`https://app.example,${entry}`)).toThrow(
      'is not a valid entry',
    )
  })
})

describe('an address with a parameter', () => {
  it('keeps its query, but for what is reserved', () => {
    expect(
      withParameter('https://a.example/x?b=1&error=2&connection=3', 'error', 'invalid_state'),
    ).toBe('https://a.example/x?b=1&error=invalid_state')
    expect(withParameter('com.example.app:/x', 'connection', 'h')).toBe(
      'com.example.app:/x?connection=h',
    )
    expect(withParameter('myapp:callback', 'connection', 'h')).toBe('myapp:callback?connection=h')
  })
})
