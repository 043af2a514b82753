import { Cron } from 'croner'
import { expect, test } from 'vitest'
import { randomFrom } from '../../support/random.ts'
import { connectOwner } from '../../support/stack/database.ts'

const sql = connectOwner()

/** The next times of an expression, as ISO texts. */
async function next(cron: string, zone: string, after: string, count: number): Promise<string[]> {
  const rows = await sql<{ at: Date | null }[]>`
    with recursive times as (
      select private.next_cron_time(${cron}, ${zone}, ${after}::timestamptz) as at, 1 as n
      union all
      select private.next_cron_time(${cron}, ${zone}, at), n + 1 from times where n < ${count}
    )
    select at from times order by n`
  return rows.map(({ at }) => at?.toISOString() ?? 'never')
}

const random = randomFrom(20261129)
const below = (limit: number) => Math.floor(random() * limit)
const pick = <Value>(values: readonly Value[]): Value => values[below(values.length)] as Value

function field(low: number, high: number): string {
  const from = low + below(high - low + 1)
  const to = from + below(high - from + 1)
  return pick([
    () => '*',
    () => String(from),
    () => `${from}-${to}`,
    () => `${from}-${to}/${1 + below(5)}`,
    () => [from, to, low + below(high - low + 1)].join(','),
  ])()
}

test('on days without a change of the clock, the times are those of the library croner', async () => {
  const zones = ['UTC', 'Asia/Kolkata', 'Asia/Tokyo', 'America/Phoenix', 'Africa/Lagos']
  const named = ['0 9 * * mon-fri', '30 6 1 jan,jul *', '*/20 */6 * * *', '0 0 29 2 *', '5 4 * * 7']
  const made = Array.from({ length: 60 }, () =>
    [field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)].join(' '),
  )
  for (const cron of [...named, ...made]) {
    const zone = pick(zones)
    const after = new Date(
      Date.UTC(2024 + below(8), below(12), 1 + below(28), below(24), below(60)),
    )
    const expected = new Cron(cron, { timezone: zone }).nextRuns(4, after)
    expect(await next(cron, zone, after.toISOString(), 4), `${cron} ${zone}`).toEqual(
      expected.map((date) => date.toISOString()),
    )
  }
})

test('the last time until a moment is the one before its next time', async () => {
  const moments = ['2026-03-29T00:59:30Z', '2026-10-25T01:30:00Z', '2026-06-15T12:00:00Z']
  for (const cron of ['*/7 * * * *', '30 2 * * *', '0 0 1 * *', '15 2,14 * * 0']) {
    for (const until of moments) {
      const [row] = await sql<{ last: Date; following: Date; again: Date }[]>`
        select last, private.next_cron_time(${cron}, 'Europe/Berlin', last) as following,
          private.next_cron_time(${cron}, 'Europe/Berlin', ${until}) as again
        from private.last_cron_time(
          ${cron}, 'Europe/Berlin', ${until}::timestamptz - interval '60 days', ${until}) last`
      expect(row?.last.getTime(), `${cron} ${until}`).toBeLessThanOrEqual(Date.parse(until))
      expect(row?.following).toEqual(row?.again)
    }
  }
})

// In Berlin the clock skips 02:00 to 03:00 on 29 March 2026, and shows 02:00 to 03:00 twice on 25 October.
test.each([
  [
    'a skipped time is the first minute after the gap',
    '30 2 * * *',
    '2026-03-28T12:00Z',
    ['2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'],
  ],
  [
    'several skipped times are one',
    '*/15 2 * * *',
    '2026-03-28T12:00Z',
    ['2026-03-29T01:00:00.000Z', '2026-03-30T00:00:00.000Z'],
  ],
  [
    'each hour has its time on the day of the gap',
    '30 * * * *',
    '2026-03-29T00:00Z',
    ['2026-03-29T00:30:00.000Z', '2026-03-29T01:00:00.000Z', '2026-03-29T01:30:00.000Z'],
  ],
  [
    'a time that comes twice is its first moment',
    '30 2 * * *',
    '2026-10-24T12:00Z',
    ['2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z'],
  ],
  [
    'every hour includes the one that comes twice',
    '30 * * * *',
    '2026-10-24T23:50Z',
    ['2026-10-25T00:30:00.000Z', '2026-10-25T01:30:00.000Z', '2026-10-25T02:30:00.000Z'],
  ],
])('%s', async (_, cron, after, expected) => {
  expect(await next(cron, 'Europe/Berlin', after, expected.length)).toEqual(expected)
})

test.each([
  [
    'Australia/Lord_Howe, by half an hour',
    '15 2 * * *',
    'Australia/Lord_Howe',
    '2026-10-03T00:00Z',
    ['2026-10-03T15:30:00.000Z', '2026-10-04T15:15:00.000Z'],
  ],
  [
    'Africa/Cairo, at midnight',
    '30 0 * * *',
    'Africa/Cairo',
    '2026-04-23T12:00Z',
    ['2026-04-23T22:00:00.000Z', '2026-04-24T21:30:00.000Z'],
  ],
  [
    'Pacific/Apia, a whole day',
    '0 12 * * *',
    'Pacific/Apia',
    '2011-12-29T12:00Z',
    ['2011-12-29T22:00:00.000Z', '2011-12-30T10:00:00.000Z', '2011-12-30T22:00:00.000Z'],
  ],
])('the clock of %s', async (_, cron, zone, after, expected) => {
  expect(await next(cron, zone, after, expected.length)).toEqual(expected)
})

test('the day of the month or of the week names a day when both are chosen', async () => {
  expect(await next('0 0 13 * 5', 'UTC', '2026-01-31T00:00Z', 4)).toEqual(
    ['02-06', '02-13', '02-20', '02-27'].map((day) => `2026-${day}T00:00:00.000Z`),
  )
  expect(await next('0 0 29 2 *', 'UTC', '2097-01-01T00:00Z', 1)).toEqual([
    '2104-02-29T00:00:00.000Z',
  ])
  expect(await next('0 0 30 2 *', 'UTC', '2026-01-01T00:00Z', 1)).toEqual(['never'])
})

test('every other text is refused', async () => {
  const texts = [
    '',
    '* * * *',
    '* * * * * *',
    '*/30 * * * * *',
    '@daily',
    '@every 10s',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * 32 * *',
    '* * * 13 * ',
    '* * * 0 *',
    '* * * * 8',
    '5-1 * * * *',
    '*/0 * * * *',
    '1,,2 * * * *',
    '5/15 * * * *',
    '-1 * * * *',
    '* * L * *',
    '* * * * mon#1',
    '* * * foo *',
    'mon * * * *',
    '1-2-3 * * * *',
    '* * ? * *',
    '1; * * * *',
  ]
  for (const text of texts) {
    const reading = sql`select private.read_cron(${text})`
    await expect(reading, text).rejects.toMatchObject({ code: '22023', message: 'invalid_request' })
  }
})
