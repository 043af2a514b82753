import { describe, expect, it } from 'vitest'
import { callTool } from '../../../supabase/functions/_shared/tools/call-tool.ts'
import { filesOf } from '../../../supabase/functions/_shared/tools/result-media.ts'
import { maxResultMedia } from '../../../supabase/functions/_shared/tools/tool-limits.ts'
import { readResult } from '../../../supabase/functions/_shared/tools/tool-result.ts'
import { fakeAdmin, fakeLog, fakeServer } from '../../support/agents/tool-fakes.ts'
import { fakeClock } from '../../support/clocks.ts'

const png = btoa('a picture')
const image = { type: 'image', data: png, mimeType: 'image/png' }
const pdf = {
  type: 'resource',
  resource: { uri: 'file:///a.pdf', name: 'a.pdf', mimeType: 'application/pdf', blob: btoa('pdf') },
}
const sound = { type: 'audio', data: btoa('a sound'), mimeType: 'audio/wav' }

async function call(content: readonly unknown[], left = 1_000_000) {
  const { admin, argsOf } = fakeAdmin()
  const chunks: Record<string, unknown>[] = []
  const read = await callTool(
    {
      ...{ admin, log: fakeLog().log, clock: fakeClock(), random: () => 0.5, media: { left } },
      emit: (more) => void chunks.push(...more),
      signal: new AbortController().signal,
    },
    {
      ...{
        organization_id: 1,
        execution_id: 'e',
        attempt: 1,
        tool_call_id: 'c',
        name: 's__x',
        args: {},
      },
      definition: { name: 'x', input_schema: {} },
      serverName: 's',
      server: fakeServer({
        call: () => Promise.resolve({ status: 'success', result: readResult({ content }) }),
      }),
    },
  )
  if (read === null) throw new Error('the call waits')
  return { read, shown: JSON.stringify(chunks), stored: JSON.stringify(argsOf('finish_tool_call')) }
}

describe('an image or a file of a tool', () => {
  it('reaches the model and the client, and is not stored', async () => {
    const { read, shown, stored } = await call([{ type: 'text', text: 'Look.' }, image, pdf, sound])
    expect(read.content).toMatch(/^Look\.\n\[image, image\/png, 9 bytes\]/)
    expect(read.files).toEqual([
      { type: 'image', url: `data:image/png;base64,${png}`, media_type: 'image/png' },
      {
        type: 'file',
        url: `data:application/pdf;base64,${btoa('pdf')}`,
        media_type: 'application/pdf',
        filename: 'a.pdf',
      },
    ])
    for (const data of [png, btoa('pdf'), btoa('a sound')]) {
      expect(shown).toContain(data)
      expect(stored).not.toContain(data)
    }
    expect(stored).toContain('"bytes":9')
  })

  it('is described alone when the execution has passed on its share', async () => {
    const { read, shown } = await call([image, image], png.length)
    expect(read.files).toHaveLength(1)
    expect(shown.split(png)).toHaveLength(2)
    expect(read.content.split('[image, image/png, 9 bytes]')).toHaveLength(3)
  })

  it.each([
    ['is too large', 'A'.repeat(maxResultMedia + 4)],
    ['is no base64', 'a picture!'],
    ['is empty', ''],
  ])('that %s is described, and costs nothing of what stands beside it', async (_, data) => {
    const { read } = await call([{ ...image, data }, { type: 'text', text: 'kept' }, image])
    expect(read.content).toContain('kept')
    expect(read.files).toHaveLength(1)
  })
})

describe('the data of a piece is read', () => {
  const start = 'iVBORw0KGgo='
  it.each<[string, unknown, string, string, string]>([
    ['of an older name', 'image/jpg', 'AAAA', 'image/jpeg', 'AAAA'],
    ['in capitals and with parameters', 'IMAGE/PNG; charset=binary', 'AAAA', 'image/png', 'AAAA'],
    ['as a data URL', 'image/png', 'data:image/png;base64,AAAA', 'image/png', 'AAAA'],
    ['with the type of a data URL', null, 'data:image/gif;x=y;base64,AAAA', 'image/gif', 'AAAA'],
    ['in the alphabet for URLs', 'image/png', 'AA-_', 'image/png', 'AA+/'],
    ['without a type, by how it begins', undefined, start, 'image/png', start],
    ['with an empty type', '', '/9j/AAAA', 'image/jpeg', '/9j/AAAA'],
  ])('%s', (_how, mimeType, data, media_type, base64) => {
    const { content } = readResult({
      content: [
        { type: 'image', mimeType, data },
        { type: 'resource', resource: { uri: 'a://b', mimeType, blob: data } },
      ],
    })
    expect(content).toMatchObject([
      { media_type, data: base64 },
      { media_type, data: base64 },
    ])
    expect(filesOf({ text: '', content, truncated: false })).toMatchObject([
      { url: `data:${media_type};base64,${base64}` },
      { url: `data:${media_type};base64,${base64}` },
    ])
  })

  it.each(['', '====', 'not base64!', 'data:image/png,AAAA'])(
    'not where it is none: %j',
    (data) => {
      const { content } = readResult({ content: [{ type: 'image', mimeType: 'image/png', data }] })
      expect(filesOf({ text: '', content, truncated: false })).toEqual([])
    },
  )
})
