import { expect, test } from 'vitest'
import { apiHeaders, pageHeaders } from '../../../../dev/web/page-headers.ts'

const policyOf = (headers: Readonly<Record<string, string>>) =>
  new Map(
    (headers['content-security-policy'] ?? '').split('; ').map((one) => {
      const [directive = '', ...values] = one.split(' ')
      return [directive, values]
    }),
  )

test('the policy of the page lets nothing run but its own files', () => {
  const policy = policyOf(pageHeaders())
  expect(policy.get('default-src')).toEqual(["'none'"])
  expect(policy.get('script-src')).toEqual(["'self'"])
  expect(policy.get('style-src')).toEqual(["'self'"])
  expect([...policy.values()].flat().filter((one) => /unsafe|https:|\*/.test(one))).toEqual([])
})

test('the policy of a page on another host names the project, with its sockets', () => {
  const policy = policyOf(pageHeaders('https://ref.example.co/'))
  const project = 'https://ref.example.co'
  expect(policy.get('connect-src')).toEqual(["'self'", project, 'wss://ref.example.co'])
  expect(policy.get('img-src')).toContain(project)
  expect(policy.get('script-src')).toEqual(["'self'"])
})

test('what is no page runs nothing when a browser opens it', () => {
  expect(policyOf(apiHeaders).get('sandbox')).toEqual([])
  expect(policyOf(apiHeaders).get('default-src')).toEqual(["'none'"])
})
