import { expect, test } from 'vitest'
import { growingPause } from '../../../../dev/process/growing-pause.ts'

const pauses = (ranFor: readonly number[]) => ranFor.map(growingPause())

test('each pause is twice the one before, and none is longer than ten seconds', () => {
  const endedAtOnce = Array.from({ length: 9 }, () => 0)
  expect(pauses(endedAtOnce)).toEqual([
    250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000,
  ])
})

test.each([
  [30_000, 1_000],
  [30_001, 250],
])('after a part ran for %i ms the third pause is %i ms', (ranFor, pause) => {
  expect(pauses([0, 0, ranFor])).toEqual([250, 500, pause])
})
