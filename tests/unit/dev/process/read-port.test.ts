import { expect, test } from 'vitest'
import { readPort } from '../../../../dev/process/read-port.ts'
import { StartError } from '../../../../dev/process/start-error.ts'

test('the port is 54321 unless PORT says otherwise', () => {
  expect(readPort(undefined)).toBe(54321)
  expect(readPort('')).toBe(54321)
  expect(readPort('8080')).toBe(8080)
})

test.each(['abc', '0', '-1', '65536', '80.5', '1e3', ' 80'])('PORT=%s is refused', (value) => {
  expect(() => readPort(value)).toThrow(StartError)
})
