import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  invocationSchema,
  maxContentBytes,
  toMessageParts,
} from '../../../supabase/functions/_shared/executions/invocation.ts'
import type { ModelRequest } from '../../../supabase/functions/_shared/models/model-protocol.ts'
import {
  agentsApp,
  begunExecution,
  fakeModels,
  helloAnswer,
} from '../../support/agents/agents-fixture.ts'

const id = '5b1b7a64-6e8d-4c8b-9a6e-3f1f1d6a0001'
const url = 'https://a.test/b.png'
const file = { type: 'file', mediaType: 'image/png' }
const content = (value: unknown) => ({ message: { content: value } })

/** What the function answers for a body, and whether the database heard of it. */
async function refusal(body: unknown, headers: Record<string, string> = {}) {
  const { invoke, calls } = agentsApp()
  const response = await invoke(body, headers)
  const answer = (await response.json()) as { error: { code: string; path: string } }
  return { status: response.status, code: answer.error.code, path: answer.error.path, calls }
}

describe('an invocation', () => {
  it.each([
    ['no message', {}, 'message'],
    ['a message that is no object', { message: 'Hello' }, 'message'],
    ['no content', { message: {} }, 'message.content'],
    ['content of a wrong type', content(7), 'message.content'],
    ['null as content', content(null), 'message.content'],
    ['empty content', content(''), 'message.content'],
    ['no parts', content([]), 'message.content'],
    ['too many parts', content(Array(65).fill({ type: 'text', text: 'a' })), 'message.content'],
    ['an unknown key', { ...content('a'), agnet: 'droid' }, 'agnet'],
    ['an organization', { ...content('a'), organization_id: 1 }, 'organization_id'],
    ['another role', { message: { content: 'a', role: 'system' } }, 'message.role'],
    ['nothing but empty texts', content([{ type: 'text', text: '' }]), 'message.content'],
    ['a message id that is no uuid', { message: { content: 'a', id: 'x' } }, 'message.id'],
    ['an agent of a wrong type', { ...content('a'), agent: 1 }, 'agent'],
    ['an empty model', { ...content('a'), model: '' }, 'model'],
    ['a session that is no uuid', { ...content('a'), session_id: '1' }, 'session_id'],
    ['a parent that is no uuid', { ...content('a'), parent_id: 1 }, 'parent_id'],
    ['a project that is no number', { ...content('a'), project_id: id }, 'project_id'],
    ['a project that is no id', { ...content('a'), project_id: -1 }, 'project_id'],
    ['a stream of a wrong type', { ...content('a'), stream: 'yes' }, 'stream'],
    ['params of a wrong type', { ...content('a'), params: [] }, 'params'],
    ['an unknown parameter', { ...content('a'), params: { x: 1 } }, 'params.x'],
    [
      'a temperature too high',
      { ...content('a'), params: { temperature: 3 } },
      'params.temperature',
    ],
    ['a part of no known type', content([{ type: 'audio' }]), 'message.content.0.type'],
    ['a file without its type', content([{ type: 'file', url }]), 'message.content.0.mediaType'],
    [
      'data that is not base64',
      content([{ ...file, url: 'data:image/png,AA' }]),
      'message.content.0.url',
    ],
    [
      'text over the limit that looks like data',
      content([{ type: 'text', text: `data:${'x'.repeat(maxContentBytes)}` }]),
      'message.content.0.text',
    ],
    ['a file over http', content([{ ...file, url: 'http://a.test/b' }]), 'message.content.0.url'],
    [
      'a file of this machine',
      content([{ ...file, url: 'file:///etc/passwd' }]),
      'message.content.0.url',
    ],
    [
      'an address with a password',
      content([{ ...file, url: 'https://u:p@a.test/' }]),
      'message.content.0.url',
    ],
    [
      'an image by its AI SDK 4 data',
      content([{ type: 'image', image: 'AA==', mediaType: 'image/png' }]),
      'message.content.0.image',
    ],
    ['a NUL character', content('a\u0000b'), 'message.content'],
    ['half a surrogate pair', content('a\ud800'), 'message.content'],
    ['content over the limit', content('x'.repeat(maxContentBytes + 1)), 'message.content'],
    [
      'content over the limit in bytes',
      content('é'.repeat(maxContentBytes / 2 + 1)),
      'message.content',
    ],
    [
      'parts over the limit',
      content(Array(3).fill({ type: 'text', text: 'x'.repeat(maxContentBytes / 3) })),
      'message.content',
    ],
    ['content over any limit', content('x'.repeat(3_000_000)), 'message.content'],
    ['malformed JSON', '{"message":', ''],
    ['something else than an object', '[]', ''],
  ] as [string, unknown, string][])('with %s is refused by its path', async (_, body, path) => {
    expect(await refusal(body)).toEqual({ status: 400, code: 'invalid_request', path, calls: [] })
  })

  it.each(['', 'with space', 'x'.repeat(256), 'umläut'])(
    'with the key %j is refused',
    async (key) => {
      expect(await refusal(content('a'), { 'idempotency-key': key })).toMatchObject({
        status: 400,
        code: 'invalid_request',
        path: 'Idempotency-Key',
        calls: [],
      })
    },
  )

  it.each(['file', 'image'])(
    'gives the model the data of a part %s, and stores none',
    async (type) => {
      const data = 'data:image/png;base64,AAAA'
      const part =
        type === 'file' ? { ...file, url: data } : { type, image: data, mediaType: 'image/png' }
      const asked: ModelRequest[] = []
      const models = fakeModels((_, request) => {
        asked.push(request)
        return helloAnswer
      })
      const message_id = id
      const begun = begunExecution({
        message_id,
        history: [
          { id: message_id, role: 'user', content: 'See', parts: [{ type: 'text', text: '…' }] },
        ],
      })
      const { invoke, calls } = agentsApp({ models, answers: { begin_execution: () => begun } })
      const said = { type: 'text', text: 'See' }
      expect((await invoke({ message: { content: [said, part] }, stream: false })).status).toBe(200)
      const { request } = calls[0]?.args as { request: Record<string, unknown> }
      expect(request).toMatchObject({
        message: {
          content: [said, { type: 'text', text: '[image/png, not stored]', not_stored: true }],
        },
      })
      // A picture reserves as much at any size; the rest is the JSON around it.
      expect(Number(request['input_bytes']) >> 8).toBe(16_384 >> 8)
      expect(JSON.stringify(request)).not.toContain('base64')
      expect(asked[0]?.messages.at(-1)?.parts).toEqual([
        said,
        { type: 'image', url: data, media_type: 'image/png' },
      ])
    },
  )

  it.each([
    ['an image', 'image', 'image/png', 'text/plain', 'file'],
    ['a file of an image', 'file', 'image/png', 'application/pdf', 'file'],
    ['a document', 'file', 'application/pdf', 'image/webp', 'image'],
  ])('that calls its data %s has a part of the type of the data', (...row) => {
    const [, told, mediaType, media_type, type] = row
    const url = `data:${media_type};base64,AAAA`
    const part = { type: told, mediaType, [told === 'image' ? 'image' : 'url']: url }
    const { message } = invocationSchema.parse({ message: { content: [part] } })
    expect(message && toMessageParts(message, new Map())).toEqual([{ type, url, media_type }])
  })

  it('is another request with other data', async () => {
    const digests = await Promise.all(
      ['AAAA', 'AAAB', 'AAAA'].map(async (data) => {
        const { invoke, calls } = agentsApp()
        await invoke(content([{ ...file, url: `data:image/png;base64,${data}` }]))
        return (calls[0]?.args as { request: { message: { digest: string } } }).request.message
          .digest
      }),
    )
    expect(digests[0]).toMatch(/^[0-9a-f]{64}$/)
    expect(digests[1]).not.toBe(digests[0])
    expect(digests[2]).toBe(digests[0])
  })

  it('means the same with what no model would see, and with null for what is not set', async () => {
    const plain = { message: { content: [{ type: 'file', url, mediaType: 'image/png' }] } }
    const seen = { type: 'text', text: '', state: 'done', providerMetadata: { a: 1 } }
    const chatty = {
      agent: null,
      model: null,
      session_id: null,
      project_id: null,
      regenerate: null,
      on_busy: null,
      stream: null,
      format: null,
      params: { temperature: null, stop: [], seed: null },
      message: {
        id: null,
        role: 'user',
        metadata: { a: 1 },
        content: [seen, { ...plain.message.content[0], filename: null, id: 'x' }],
      },
    }
    const begun = await Promise.all(
      [plain, { ...plain, ...chatty }].map(async (body) => {
        const { invoke, calls } = agentsApp()
        expect((await invoke(body)).status).toBe(200)
        return JSON.stringify(calls[0])
      }),
    )
    expect(begun[1]).toBe(begun[0])
  })

  it('may have content of exactly the limit, in bytes', async () => {
    const { invoke } = agentsApp()
    for (const text of [
      'x'.repeat(maxContentBytes),
      'é'.repeat(maxContentBytes / 2),
      '\n'.repeat(maxContentBytes),
    ]) {
      expect((await invoke(content(text))).status).toBe(200)
    }
  })
})

it('has every field in the document for clients, and no other', () => {
  const page = readFileSync(new URL('../../../docs/executions.md', import.meta.url), 'utf8')
  const [section = ''] = page.split('## Which model answers')
  const named = [...section.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name)
  expect(named.toSorted()).toEqual(Object.keys(invocationSchema.shape).toSorted())
})
