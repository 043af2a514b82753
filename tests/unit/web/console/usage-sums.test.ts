import { expect, test } from 'vitest'
import { addUp, everyDay } from '../../../../web/console/usage-sums.ts'

const used = { executions: 1, input_tokens: 10, output_tokens: 5, cost_usd: 0.5 }

test('rows of one name are added up, in the order of the names', () => {
  const rows = [
    { ...used, day: 'b' },
    { ...used, day: 'a', cost_usd: null },
    { ...used, day: 'b', executions: 2, output_tokens: null },
  ]
  expect(addUp(rows, ({ day }) => day)).toEqual([
    { name: 'b', executions: 3, tokens: 25, cost: 1 },
    { name: 'a', executions: 1, tokens: 15, cost: null },
  ])
})

test('the days are those of UTC, today the last', () => {
  const now = new Date('2026-03-01T00:30:00Z')
  expect(everyDay(3, now)).toEqual(['2026-02-27', '2026-02-28', '2026-03-01'])
})
