import { describe, expect, it } from 'vitest'
import {
  MAX_RETRY_AFTER_MS,
  parseRetryAfter,
  parseRetryDelay,
} from '../../../supabase/functions/_shared/models/retry-after.ts'

const NOW = Date.parse('2026-11-20T10:00:00Z')

describe('Retry-After', () => {
  it.each([
    ['0', 0],
    ['7', 7_000],
    ['1.5', 1_500],
    [' 30 ', 30_000],
    ['+5', 5_000],
    ['-5', 0],
    ['-99999999999999999999', 0],
    ['3600', 3_600_000],
    ['3601', MAX_RETRY_AFTER_MS],
    ['99999999999999999999999', MAX_RETRY_AFTER_MS],
    ['Fri, 20 Nov 2026 10:00:12 GMT', 12_000],
    ['Friday, 20-Nov-26 10:00:12 GMT', 12_000],
    ['Fri Nov 20 10:00:12 2026 GMT', 12_000],
    ['Fri, 20 Nov 2026 09:59:00 GMT', 0],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['Fri, 31 Dec 9999 23:59:59 GMT', MAX_RETRY_AFTER_MS],
    ['Fri, 99 Nov 2026 10:00:12 GMT', null],
    ['', null],
    ['soon', null],
    ['1e9', null],
    ['Infinity', null],
    ['NaN', null],
    ['0x10', null],
    ['2026-11-20', null],
    ['5, 10', null],
  ])('%j means %j ms', (value, expected) => {
    expect(parseRetryAfter(new Headers({ 'retry-after': value }), NOW)).toBe(expected)
  })

  it('is null without the header, and yields to retry-after-ms', () => {
    expect(parseRetryAfter(new Headers(), NOW)).toBeNull()
    const both = new Headers({ 'retry-after': '9', 'retry-after-ms': '250' })
    expect(parseRetryAfter(both, NOW)).toBe(250)
    const absurd = new Headers({ 'retry-after-ms': '-1', 'retry-after': '9' })
    expect(parseRetryAfter(absurd, NOW)).toBe(0)
  })
})

describe('google.rpc.RetryInfo', () => {
  it.each([
    ['12s', 12_000],
    ['0.25s', 250],
    ['-3s', 0],
    ['999999s', MAX_RETRY_AFTER_MS],
    ['12', null],
    ['s', null],
    [12, null],
    [undefined, null],
  ])('%j means %j ms', (value, expected) => {
    expect(parseRetryDelay(value)).toBe(expected)
  })
})
