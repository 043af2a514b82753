import type { UIMessage } from 'ai'
import { expect, test } from 'vitest'
import { toMarkdown } from '../../../../web/chat/to-markdown.ts'

test('a conversation as a document says who said what, and which tools were called', () => {
  const messages: UIMessage[] = [
    { id: '1', role: 'user', parts: [{ type: 'text', text: 'Hi' }] },
    {
      id: '2',
      role: 'assistant',
      parts: [
        { type: 'reasoning', text: 'not shown' },
        {
          type: 'dynamic-tool',
          toolName: 'send',
          toolCallId: 'c',
          state: 'output-available',
          input: { text: '```' },
          output: 1,
        },
        { type: 'text', text: 'Sent.' },
      ],
    },
  ]
  expect(toMarkdown('A\ntitle', messages)).toBe(
    '# A title\n\n## You\n\nHi\n\n## Answer\n\n````json\n' +
      '{\n  "tool": "send",\n  "input": {\n    "text": "```"\n  }\n}\n````\n\nSent.\n\n',
  )
})
