import { describe, expect, test } from 'vitest'
import {
  isOwnPicture,
  isStoredFile,
  placeOf,
  webAddress,
} from '../../../../web/markdown/addresses.ts'

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

test.each([
  ['https://p.example/storage/v1/object/sign/attachments/1/a.png?token=x', true],
  ['https://p.example/storage/v1/object/sign/other/1/a.png?token=x', false],
  ['https://p.example/rest/v1/rpc/f', false],
  ['https://p.example/storage/v1/object/sign/attachments/../../../../rest/v1/rpc/f', false],
  ['https://p.example.evil.example/storage/v1/object/sign/attachments/a.png', false],
  ['https://p.example@evil.example/storage/v1/object/sign/attachments/a.png', false],
  ['http://p.example/storage/v1/object/sign/attachments/a.png', false],
  ['/storage/v1/object/sign/attachments/a.png', false],
  ['', false],
])('a file at %s stands in the project’s Storage: %s', (address, isStored) => {
  expect(isStoredFile(address, 'https://p.example/')).toBe(isStored)
})
