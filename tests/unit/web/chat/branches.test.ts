import { expect, test } from 'vitest'
import { findBranches } from '../../../../web/chat/branches.ts'

const row = (id: string, parent_id: string | null, role = 'user') => ({ id, parent_id, role })

test('a message without others beside it is in no branch', () => {
  expect(findBranches([row('q', null), row('a', 'q', 'assistant')])).toEqual(new Map())
})

test('answers to one question lead to the ends of their branches', () => {
  const rows = [
    row('q', null),
    row('a1', 'q', 'assistant'),
    row('a2', 'q', 'assistant'),
    row('q2', 'a1'),
    row('a3', 'q2', 'assistant'),
  ]
  expect(findBranches(rows)).toEqual(
    new Map([
      ['a1', { place: 1, count: 2, before: null, after: 'a2' }],
      ['a2', { place: 2, count: 2, before: 'a3', after: null }],
    ]),
  )
})

test('versions of the first question are branches too', () => {
  const rows = [row('q', null), row('a', 'q', 'assistant'), row('e', null)]
  expect(findBranches(rows).get('e')).toEqual({ place: 2, count: 2, before: 'a', after: null })
})
