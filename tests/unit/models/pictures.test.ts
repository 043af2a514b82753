import { describe, expect, it } from 'vitest'
import { maxPictures } from '../../../supabase/functions/_shared/models/answer-builder.ts'
import { completeModel } from '../../../supabase/functions/_shared/models/complete-model.ts'
import { collect, encode, fetchOf, openRouter, request } from './support.ts'
import { vertexAdapter } from './vertex-support.ts'

const url = 'data:image/png;base64,iVBORw0KGgo='
const image = (data = url) => ({ type: 'image_url', image_url: { url: data } })
const frame = (delta: object, rest: object = {}) =>
  encode(`data: ${JSON.stringify({ choices: [{ index: 0, delta, ...rest }] })}\n\n`)
const stop = frame({}, { finish_reason: 'stop' })
const streamed = (...deltas: object[]) =>
  collect(openRouter('http://x'), { fetch: fetchOf([...deltas.map((one) => frame(one)), stop]) })
const picture = { type: 'image', url, media_type: 'image/png' }

describe('a picture that a model made', () => {
  it('is a part of the answer where it came, alone or beside text', async () => {
    const beside = await streamed({ content: 'Here: ' }, { images: [image()] }, { content: 'So.' })
    expect(beside.answer.parts).toEqual([
      { type: 'text', text: 'Here: ' },
      picture,
      { type: 'text', text: 'So.' },
    ])
    const alone = await streamed({ content: '', images: [image()] })
    expect([alone.error, alone.answer.parts]).toEqual([null, [picture]])
    const part = await streamed({ content: [image()] })
    expect(part.answer.parts).toEqual([picture])
  })

  it('is the same in a whole answer', async () => {
    const message = { content: null, images: [image(), image('data:image/JPEG;base64,AA==')] }
    const body = JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] })
    const fetch = fetchOf([encode(body)], 'application/json')
    const answer = await completeModel(openRouter('http://x'), request, { fetch })
    expect(answer.parts).toEqual([
      picture,
      { type: 'image', url: 'data:image/jpeg;base64,AA==', media_type: 'image/jpeg' },
    ])
  })

  it('is there once, also when the service says it again at its end', async () => {
    const { answer } = await streamed({ images: [image()] }, { images: [image()] })
    expect(answer.parts).toEqual([picture])
  })

  it('has a bound, with all others of the answer', async () => {
    const half = `data:image/png;base64,${'A'.repeat(maxPictures / 2)}`
    const other = half.replace('png', 'gif')
    const first = await streamed({ images: [image(half)] })
    expect(first.error).toBeNull()
    const { error } = await streamed({ images: [image(half)] }, { images: [image(other)] })
    expect(error).toMatchObject({ code: 'provider_unsupported_output', fault: 'caller' })
  })

  it('comes from Gemini with its signature; a sketch among its thoughts is left out', async () => {
    const parts = [
      { thought: true, inlineData: { mimeType: 'image/png', data: 'BBBB' } },
      { inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgo=' }, thoughtSignature: 'sig' },
    ]
    const candidates = [{ content: { parts }, finishReason: 'STOP' }]
    const fetch = fetchOf([encode(`data: ${JSON.stringify({ candidates })}\n\n`)])
    const { answer, error } = await collect(vertexAdapter('http://x'), { fetch })
    expect(error).toBeNull()
    expect(answer.parts).toEqual([
      {
        ...picture,
        provider_metadata: expect.objectContaining({ thoughtSignature: 'sig' }) as object,
      },
    ])
  })
})
