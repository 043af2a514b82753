import { expect, test } from 'vitest'
import { ColloquyError } from '../../../client/index.ts'
import { explain } from '../../../web/explain.ts'

test.each([
  [
    'a refusal of a function',
    new ColloquyError('budget_exceeded', 'The budget is used up. Wait for its reset.'),
    'The budget is used up. Wait for its reset.',
  ],
  [
    'a refusal of REST',
    { code: 'PT402', message: 'budget_exceeded', details: 'The budget is used up.' },
    'The budget is used up.',
  ],
  [
    'a refusal of Auth',
    { code: 'invalid_credentials', message: 'Invalid login credentials' },
    'The e-mail address or the password is wrong. Correct it and try again.',
  ],
  [
    'a lost network',
    new TypeError('Failed to fetch'),
    'The server cannot be reached. Check your connection and try again.',
  ],
  ['any other error', new Error('It broke.'), 'It broke.'],
  ['a text', 'It broke.', 'It broke.'],
])('%s is a sentence', (_, error, sentence) => {
  expect(explain(error)).toBe(sentence)
})
