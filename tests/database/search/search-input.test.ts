import { expect, test } from 'vitest'
import { seeded } from '../../support/hostile-json.ts'
import { addOwner, as, outcome, refusal } from '../../support/people/tenants.ts'
import { refusedDetail } from '../../support/people/refused-detail.ts'
import { addConversation, searching } from '../../support/rows/search.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const pieces = [
  'a',
  ' ',
  '  ',
  '"',
  "'",
  '\\',
  '-',
  '--',
  'or',
  'OR',
  '|',
  '&',
  '!',
  '(',
  ')',
  '<->',
  '<2>',
  ':*',
  ':A',
  '1:needle',
  '%',
  '_',
  '\t',
  '\n',
  '\x01',
  '\x02',
  '\x1e',
  '\x1f',
  '<b>',
  '&amp;',
  '東',
  '京',
  'ق',
  '🙂',
  '\u200d',
  '\u0301',
  'https://a.example/b?c=d',
  'x@y.example',
  '/a/b',
  '-1.5e3',
  '1.2.3',
  'needle',
]

test('any text of up to 10,000 characters is answered', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await addConversation(tx, owner, ['needle', ...pieces, pieces.join(''), pieces.join(' ')])
    const random = seeded(5)
    const make = (length: number) =>
      Array.from({ length }, () => pieces[Math.floor(random() * pieces.length)]).join('')
    const texts = [
      ...Array.from({ length: 200 }, (_, n) => make(1 + (n % 40))),
      ...Array.from({ length: 5 }, () => make(4_000).slice(0, 9_000)),
      ...[
        'a',
        ' a',
        '- a',
        '"a" ',
        ' or a',
        '-a or ',
        '東',
        '(',
        "'",
        '\\',
        '"',
        'a-',
        'a@a.de ',
      ].map((piece) => piece.repeat(10_000).slice(0, 10_000)),
    ]
    for (const text of texts) {
      const result = await outcome(as(tx, owner, searching(text)))
      expect(result, JSON.stringify(text.slice(0, 200))).toBe('allowed')
    }
  })
})

test('any text is stored and indexed', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const random = seeded(6)
    const letters = Array.from({ length: 70_000 }, (_, n) => `${n.toString(36)} `).join('')
    const long = pieces.map((piece) => piece.repeat(Math.ceil(70_000 / piece.length)))
    const spaced = pieces.map((piece) => `${piece} `.repeat(Math.ceil(70_000 / piece.length)))
    const emoji = Array.from({ length: 40_000 }, () =>
      String.fromCodePoint(0x1f300 + Math.floor(random() * 600)),
    )
    for (const text of [
      letters,
      emoji.join(''),
      emoji.join(' '),
      ...long,
      ...spaced,
      'x'.repeat(900_000),
    ]) {
      expect(await outcome(addConversation(tx, owner, [text]))).not.toMatch(/^\w{5} /)
    }
    expect((await as(tx, owner, searching('needle'))).length).toBeGreaterThan(0)
  })
})

test('what is no search is refused by the name of its argument', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await addConversation(tx, owner, ['needle'])
    const refused = (query: string | null, filters: object = {}) =>
      refusedDetail(tx, owner, searching(query, filters))
    const query = 'invalid_request: query: must be a text of 10000 characters at most.'
    expect(await refused(null)).toBe(query)
    expect(await refused('x'.repeat(10_001))).toBe(query)
    expect(await refused('語'.repeat(10_000))).toBe('allowed')
    const kinds = 'invalid_request: kinds: must be a list of message, turn and result.'
    expect(await refused('x', { kinds: ['message', 'user'] })).toBe(kinds)
    const limit = 'invalid_request: limit: must be a whole number from 1 to 100.'
    for (const wrong of [0, -1, 101]) expect(await refused('x', { limit: wrong })).toBe(limit)
    const [row] = await as(tx, owner, searching('needle'))
    const cursor = row?.cursor ?? ''
    const after = 'invalid_request: after: must be the cursor of a row of an earlier answer.'
    for (const wrong of [
      '',
      'x',
      cursor.slice(1),
      `${cursor}x`,
      '1|now|user|1',
      '1e999|now|turn|1',
      '1|x|turn|1',
    ]) {
      expect(await refused('needle', { after: wrong })).toBe(
        wrong === cursor.slice(1) ? 'allowed' : after,
      )
    }
    expect(await refusal(tx, owner, searching('needle', { after: cursor }))).toBe('allowed')
  })
})
