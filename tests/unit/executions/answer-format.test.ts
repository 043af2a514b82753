import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { storedObject } from '../../../supabase/functions/_shared/executions/answer-format.ts'
import { parseSchema } from '../../../supabase/functions/_shared/json-schema/parse-schema.ts'

const schema = parseSchema({ type: 'object', required: ['a'] })
const message = (content: string, parts: unknown[] | null = null) => ({
  id: 'm',
  role: 'assistant',
  content,
  parts,
})
const call = { type: 'tool_call', id: 'c', name: 'look', arguments: '{}' }
const result = { type: 'tool_result', tool_call_id: 'c', name: 'look', content: '{"a":0}' }
const text = (value: string) => ({ type: 'text', text: value })

describe('the object of a stored answer', () => {
  it.each([
    ['a text', message('{"a":1}')],
    [
      'several parts',
      message('{"a":1}', [text('{"a"'), { type: 'reasoning', text: '?' }, text(':1}')]),
    ],
    [
      'what follows the tools',
      message('Wait.{"a":1}', [text('Wait.'), call, result, text('{"a":1}')]),
    ],
  ])('is that of %s', (_name, stored) => {
    expect(storedObject(schema, { finish_reason: 'stop', message: stored })).toEqual({ a: 1 })
  })

  it.each(['tool_approval_required', 'step_limit'])('is null while %s', (finish_reason) => {
    const stored = message('Wait.', [text('Wait.'), call])
    expect(storedObject(schema, { finish_reason, message: stored })).toBeNull()
  })

  it.each([null, message(''), message('{}'), message('{"a":1}', [text('{"a":1}'), call])])(
    'is missed in %j',
    (stored) => {
      const read = () => storedObject(schema, { finish_reason: 'stop', message: stored })
      expect(read).toThrow(AppError)
    },
  )
})
