import { expect, test } from 'vitest'
import { answerTo, everything, isSlow, sayTo } from '../../../../dev/functions/local-answers.ts'

const ask = (content: string, more: object = {}) => ({
  model: 'm',
  messages: [{ role: 'user' as const, content }],
  ...more,
})
const tool = { type: 'function' as const, function: { name: 'tools__send', parameters: {} } }

test('a question gets the answer that it is no model', () => {
  expect(sayTo(ask('Hello?'))).toMatchObject({ content: answerTo('Hello?', 'm') })
  expect(isSlow(ask('Hello?'))).toBe(false)
})

test('everything is shown slowly, with a table, code and thoughts', () => {
  const said = sayTo(ask('Please show me everything'))
  expect(said).toMatchObject({ content: everything, reasoning: expect.any(String) as string })
  expect(everything).toMatch(/^\| --- \| ---: \| :---: \|$/m)
  expect(everything).toMatch(/^```ts$/m)
  expect(isSlow(ask('Please show me everything'))).toBe(true)
})

test('a tool is called once when the request has one; its result is the end', () => {
  expect(sayTo(ask('use a tool', { tools: [tool] }))).toMatchObject({
    toolCalls: [{ name: 'tools__send', arguments: '{}' }],
  })
  const { messages } = ask('use a tool')
  const after = [...messages, { role: 'tool' as const, content: 'sent', tool_call_id: 'c1' }]
  const said = sayTo({ model: 'm', messages: after, tools: [tool] })
  expect(said).toMatchObject({ content: 'The tool answered: sent' })
  expect(said).not.toHaveProperty('toolCalls')
  expect(sayTo(ask('use a tool'))).not.toHaveProperty('toolCalls')
})

test('it fails when it is asked to, in a way that pauses no model', () => {
  expect(sayTo(ask('Please fail.'))).toMatchObject({ status: 400, error: {} })
})
