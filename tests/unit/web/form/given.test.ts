import { expect, test } from 'vitest'
import { Given } from '../../../../web/form/given.ts'

const given = (text: string | null) => new Given(new Map([['config', text]]))

test('an object in JSON is read; nothing is an empty one', () => {
  expect(given('{"a": 1}').object('config')).toEqual({ a: 1 })
  expect(given(null).object('config')).toEqual({})
})

test.each(['{', '[]', 'null', '1', '"a"'])('%s is no object, which a sentence says', (text) => {
  expect(() => given(text).object('config')).toThrow(/must be an object in JSON/)
})
