import { describe, expect, it } from 'vitest'
import type {
  MessagePart,
  ModelMessage,
} from '../../../supabase/functions/_shared/models/model-protocol.ts'
import { ToolCallIds } from '../../../supabase/functions/_shared/tools/tool-call-ids.ts'
import { toToolMessages } from '../../../supabase/functions/_shared/tools/tool-messages.ts'

const call = (id: string): MessagePart => ({ type: 'tool_call', id, name: 't', arguments: '{}' })
const result = (id: string): MessagePart => ({
  type: 'tool_result',
  tool_call_id: id,
  name: 't',
  content: `of ${id}`,
})
const said = (text: string): MessagePart => ({ type: 'text', text })
const assistant = (...parts: MessagePart[]): ModelMessage => ({
  role: 'assistant',
  content: '',
  parts,
})
const user: ModelMessage = { role: 'user', content: 'Go on' }

/** Role, and what is in it: text, ids of calls, contents of results. */
const brief = (messages: readonly ModelMessage[]) =>
  messages.map(({ role, content, parts }) => [
    role,
    ...(parts ?? [said(content)]).map((part) => {
      if (part.type === 'tool_call') return part.id
      return part.type === 'tool_result' ? part.content : 'text' in part ? part.text : ''
    }),
  ])

describe('a conversation for a model', () => {
  it('has each round of calls in a message, followed by one with all its results', () => {
    const stored = assistant(
      ...[said('I look'), call('a'), call('b'), result('a'), result('b')],
      ...[said('once more'), call('c'), result('c'), said('Done')],
    )
    expect(brief(toToolMessages([user, stored]))).toEqual([
      ['user', 'Go on'],
      ['assistant', 'I look', 'a', 'b'],
      ['tool', 'of a', 'of b'],
      ['assistant', 'once more', 'c'],
      ['tool', 'of c'],
      ['assistant', 'Done'],
    ])
  })

  it('joins an answer that waited with the one that went on', () => {
    const asked = assistant(call('a'), call('b'), result('a'))
    expect(brief(toToolMessages([asked, assistant(result('b'), said('Done'))]))).toEqual([
      ['assistant', 'a', 'b'],
      ['tool', 'of a', 'of b'],
      ['assistant', 'Done'],
    ])
  })

  it('has a result for every call, also for one that was never decided', () => {
    expect(brief(toToolMessages([assistant(call('a')), user]))).toEqual([
      ['assistant', 'a'],
      ['tool', 'This call was not made.'],
      ['user', 'Go on'],
    ])
    expect(brief(toToolMessages([assistant(call('a'))]))).toEqual([
      ['assistant', 'a'],
      ['tool', 'This call was not made.'],
    ])
  })

  it('has no result without its call', () => {
    expect(brief(toToolMessages([user, assistant(result('x'), said('Hi'))]))).toEqual([
      ['user', 'Go on'],
      ['assistant', 'Hi'],
    ])
  })

  it('is left alone where there are no tools', () => {
    const plain = [user, assistant(said('Hi'))]
    expect(toToolMessages(plain)).toEqual(plain)
  })
})

describe('ids of calls', () => {
  const take = (ids: ToolCallIds, ...wanted: string[]) =>
    ids
      .take(wanted.map((id) => ({ type: 'tool_call', id, name: 't', arguments: '' })))
      .map((event) => ('id' in event ? event.id : ''))

  it('stay as the provider gave them, unless it gives one twice or an odd one', () => {
    let count = 0
    const ids = new ToolCallIds(() => `new-${(count += 1)}`)
    expect(take(ids, 'call_0', 'call_1')).toEqual(['call_0', 'call_1'])
    expect(take(ids, 'call_0', '', 'ü', 'x'.repeat(200))).toEqual([
      'call_new-1',
      'call_new-2',
      'call_new-3',
      'call_new-4',
    ])
  })

  it('are those of the pieces that were shown, also of calls at the same time', () => {
    let count = 0
    const ids = new ToolCallIds(() => `new-${(count += 1)}`)
    const piece = (id: string) =>
      ({ type: 'tool_call_delta', id, name: 't', arguments: '1' }) as const
    const shown = (...wanted: string[]) =>
      ids.take(wanted.map(piece)).map((event) => ('id' in event ? event.id : ''))
    expect(shown('call_0', 'ü', 'call_0')).toEqual(['call_0', 'call_new-1', 'call_0'])
    expect(take(ids, 'call_0', 'ü')).toEqual(['call_0', 'call_new-1'])
    expect(shown('call_0', 'ü', 'call_0')).toEqual(['call_new-2', 'call_new-3', 'call_new-2'])
    expect(take(ids, 'call_0', 'ü')).toEqual(['call_new-2', 'call_new-3'])
  })
})
