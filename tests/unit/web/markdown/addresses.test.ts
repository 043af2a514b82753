import { describe, expect, test } from 'vitest'
import { isOwnPicture, placeOf, webAddress } from '../../../../web/markdown/addresses.ts'

describe('where a link may lead', () => {
  test.each(['https://a.example/b', 'http://a.example', 'mailto:ann@a.example'])(
    'to %s',
    (text) => {
      expect(webAddress(text)?.href).toContain('a.example')
    },
  )

  test.each([
    'javascript:alert(1)',
    ' JaVaScRiPt:alert(1)',
    'java\tscript:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    'blob:https://a.example/1',
    'file:///etc/passwd',
    '//a.example',
    '/rest/v1/',
    '#a',
    '',
    undefined,
  ])('not to %j', (text) => {
    expect(webAddress(text)).toBeNull()
  })

  test.each([
    ['https://bank.example@evil.example/login', 'evil.example'],
    ['https://evil.example:8443/bank.example', 'evil.example:8443'],
    ['https://b\u0430nk.example', 'xn--bnk-6cd.example'],
    ['mailto:ann@evil.example', 'ann@evil.example'],
  ])('%s names its place as %s', (text, place) => {
    expect(placeOf(webAddress(text) as URL)).toBe(place)
  })
})

test.each([
  ['data:image/png;base64,AAAA', true],
  ['blob:https://a.example/1', true],
  ['data:image/svg+xml;base64,AAAA', false],
  ['data:text/html;base64,AAAA', false],
  ['https://a.example/a.png', false],
  ['/a.png', false],
])('a picture at %s is here already: %s', (address, isHere) => {
  expect(isOwnPicture(address)).toBe(isHere)
})
