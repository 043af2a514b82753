import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { countWritten, createAgent, nothingWritten } from '../support/agents/invoke.ts'
import { clientOf, failure, hello, useOpenAI } from '../support/clients/openai.ts'
import { signUpWithOrganization } from '../support/people/people.ts'

const made = useOpenAI()
const { sql } = made

describe('models', () => {
  it('are the agents and models that the organization may use', async () => {
    const own = await createAgent(sql, made.ann.organization, ['openrouter', 'vertex-ai'])
    const ids: string[] = []
    for await (const model of (await clientOf(made.ann)).models.list()) {
      expect(model).toMatchObject({ object: 'model', created: expect.any(Number) as number })
      ids.push(model.id)
    }
    expect(ids).toEqual([
      own,
      `${own}/model-1`,
      `${own}/model-2`,
      'ccrouter',
      'ccrouter/gemini-1.5-pro',
      'ccrouter/gemini-1.5-flash',
      'droid',
      'droid/claude-3-opus',
      'droid/gpt-4',
    ])
  })

  it.each(['droid', 'droid/gpt-4', 'gpt-4'])('are found by id: %s', async (id) => {
    const model = await (await clientOf(made.ann)).models.retrieve(id)
    expect(model).toMatchObject({ id, object: 'model', owned_by: 'platform' })
  })

  it.each([
    ['droid', 'droid/claude-3-opus'],
    ['gpt-4', 'droid/gpt-4'],
    ['ccrouter/gemini-1.5-flash', 'ccrouter/gemini-1.5-flash'],
  ])('answer under the id %s', async (model, answered) => {
    const { model: id } = await (
      await clientOf(made.ann)
    ).chat.completions.create({ model, ...hello })
    expect(id).toBe(answered)
  })

  it('are named by themselves only where one agent alone has them', async () => {
    await createAgent(sql, made.ann.organization, ['openrouter'])
    const other = await createAgent(sql, made.ann.organization, ['openrouter'])
    const client = await clientOf(made.ann)
    const error = await failure(client.chat.completions.create({ model: 'model-1', ...hello }))
    expect(error).toMatchObject({ status: 400, param: 'model', code: 'invalid_value' })
    const found = await client.chat.completions.create({ model: `${other}/model-1`, ...hello })
    expect(found.model).toBe(`${other}/model-1`)
  })

  it('may have a slash in their own names', async () => {
    const agent = await createAgent(sql, made.ann.organization, ['openrouter'])
    await sql`update public.models set name = 'maker/one' where organization_id = ${made.ann.organization.id}`
    const client = await clientOf(made.ann)
    for (const model of ['maker/one', `${agent}/maker/one`]) {
      expect((await client.models.retrieve(model)).id).toBe(model)
      const answer = await client.chat.completions.create({ model, ...hello })
      expect(answer.model).toBe(`${agent}/maker/one`)
    }
  })

  it('of another organization are absent, in the same words', async () => {
    const eve = await signUpWithOrganization('eve')
    const foreign = await createAgent(sql, eve.organization, ['openrouter'])
    const client = await clientOf(made.ann)
    const bodies: unknown[] = []
    for (const model of [
      foreign,
      `${foreign}/model-1`,
      'absent',
      'absent/model-1',
      'droid/absent',
    ]) {
      for (const call of [
        () => client.chat.completions.create({ model, ...hello }),
        () => client.models.retrieve(model),
      ]) {
        const error = await failure(call())
        expect(error).toBeInstanceOf(OpenAI.NotFoundError)
        bodies.push(error.error)
      }
    }
    expect(new Set(bodies.map((body) => JSON.stringify(body)))).toEqual(
      new Set([
        JSON.stringify({
          message: 'The model does not exist or you do not have access to it.',
          type: 'invalid_request_error',
          param: 'model',
          code: 'model_not_found',
        }),
      ]),
    )
    const ids = (await client.models.list()).data.map(({ id }) => id)
    expect(ids.filter((id) => id.startsWith(foreign))).toEqual([])
    expect(await countWritten(sql, made.ann.organization)).toEqual(nothingWritten)
  })
})
